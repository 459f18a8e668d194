import { testScenarios } from '../support/scenarios.js';
import { tests } from './parent-death.scenarios.js';

testScenarios(new URL('./parent-death.scenarios.js', import.meta.url).href, tests);
