import { testScenarios } from '../support/scenarios.js';
import { tests } from './refused-calls.scenarios.js';

testScenarios(new URL('./refused-calls.scenarios.js', import.meta.url).href, tests);
