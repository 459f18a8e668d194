import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './exhaustion.scenarios.js';

testScenarios(new URL('./exhaustion.scenarios.js', import.meta.url).href, scenarios);
