import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './processes.scenarios.js';

testScenarios(new URL('./processes.scenarios.js', import.meta.url).href, scenarios);
