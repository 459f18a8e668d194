import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './wait.scenarios.js';

testScenarios(new URL('./wait.scenarios.js', import.meta.url).href, scenarios);
