import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './joinable-queue.scenarios.js';

testScenarios(new URL('./joinable-queue.scenarios.js', import.meta.url).href, scenarios);
