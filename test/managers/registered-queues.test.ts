import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './registered-queues.scenarios.js';

testScenarios(new URL('./registered-queues.scenarios.js', import.meta.url).href, scenarios);
