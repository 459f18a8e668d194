import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './pools.scenarios.js';

testScenarios(new URL('./pools.scenarios.js', import.meta.url).href, scenarios);
