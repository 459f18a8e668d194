import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './fuzz.scenarios.js';

testScenarios(new URL('./fuzz.scenarios.js', import.meta.url).href, scenarios);
