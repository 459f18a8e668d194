import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './classes.scenarios.js';

testScenarios(new URL('./classes.scenarios.js', import.meta.url).href, scenarios);
