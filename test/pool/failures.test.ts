import { testScenarios } from '../support/scenarios.js';
import { tests } from './failures.scenarios.js';

testScenarios(new URL('./failures.scenarios.js', import.meta.url).href, tests);
