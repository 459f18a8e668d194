import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './condition.scenarios.js';

testScenarios(new URL('./condition.scenarios.js', import.meta.url).href, scenarios);
