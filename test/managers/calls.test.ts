import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './calls.scenarios.js';

testScenarios(new URL('./calls.scenarios.js', import.meta.url).href, scenarios);
