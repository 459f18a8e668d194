import { testScenarios } from '../support/scenarios.js';
import { tests } from './no-pidfd.scenarios.js';

testScenarios(new URL('./no-pidfd.scenarios.js', import.meta.url).href, tests);
