import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './managers.scenarios.js';

testScenarios(new URL('./managers.scenarios.js', import.meta.url).href, scenarios);
