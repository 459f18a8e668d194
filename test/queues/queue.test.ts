import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './queue.scenarios.js';

testScenarios(new URL('./queue.scenarios.js', import.meta.url).href, scenarios);
