import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './parents.scenarios.js';

testScenarios(new URL('./parents.scenarios.js', import.meta.url).href, scenarios);
