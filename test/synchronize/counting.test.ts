import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './counting.scenarios.js';

testScenarios(new URL('./counting.scenarios.js', import.meta.url).href, scenarios);
