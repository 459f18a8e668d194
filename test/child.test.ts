import { tests } from './child.scenarios.js';
import { testScenarios } from './support/scenarios.js';

testScenarios(new URL('./child.scenarios.js', import.meta.url).href, tests);
