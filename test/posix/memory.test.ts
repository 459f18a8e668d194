import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './memory.scenarios.js';

testScenarios(new URL('./memory.scenarios.js', import.meta.url).href, scenarios);
