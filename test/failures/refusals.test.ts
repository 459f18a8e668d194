import { testScenarios } from '../support/scenarios.js';
import { tests } from './refusals.scenarios.js';

testScenarios(new URL('./refusals.scenarios.js', import.meta.url).href, tests);
