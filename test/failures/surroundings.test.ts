import { testScenarios } from '../support/scenarios.js';
import { tests } from './surroundings.scenarios.js';

testScenarios(new URL('./surroundings.scenarios.js', import.meta.url).href, tests);
