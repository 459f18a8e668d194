import { scenarios } from './connection.scenarios.js';
import { testScenarios } from './support/scenarios.js';

testScenarios(new URL('./connection.scenarios.js', import.meta.url).href, scenarios);
