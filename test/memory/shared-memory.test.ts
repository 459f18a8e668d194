import { testScenarios } from '../support/scenarios.js';
import { tests } from './shared-memory.scenarios.js';

testScenarios(new URL('./shared-memory.scenarios.js', import.meta.url).href, tests);
