import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './pool.scenarios.js';

testScenarios(new URL('./pool.scenarios.js', import.meta.url).href, scenarios);
