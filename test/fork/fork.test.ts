import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './fork.scenarios.js';

testScenarios(new URL('./fork.scenarios.js', import.meta.url).href, scenarios);
