import { testScenarios } from '../../support/scenarios.js';
import { tests } from './stdout.scenarios.js';

testScenarios(new URL('./stdout.scenarios.js', import.meta.url).href, tests);
