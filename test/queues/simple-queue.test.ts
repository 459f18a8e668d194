import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './simple-queue.scenarios.js';

testScenarios(new URL('./simple-queue.scenarios.js', import.meta.url).href, scenarios);
