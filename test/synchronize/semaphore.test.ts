import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './semaphore.scenarios.js';

testScenarios(new URL('./semaphore.scenarios.js', import.meta.url).href, scenarios);
