import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './queues.scenarios.js';

testScenarios(new URL('./queues.scenarios.js', import.meta.url).href, scenarios);
