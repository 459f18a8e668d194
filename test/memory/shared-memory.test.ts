import { tests } from './shared-memory.scenarios.js';
import { testScenarios } from '../support/scenarios.js';

testScenarios(new URL('./shared-memory.scenarios.js', import.meta.url).href, tests);
