import { testScenarios } from '../../support/scenarios.js';
import { tests } from './stdin.scenarios.js';

testScenarios(new URL('./stdin.scenarios.js', import.meta.url).href, tests);
