import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './stress.scenarios.js';

testScenarios(new URL('./stress.scenarios.js', import.meta.url).href, scenarios);
