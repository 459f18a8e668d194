import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './look-up.scenarios.js';

testScenarios(new URL('./look-up.scenarios.js', import.meta.url).href, scenarios);
