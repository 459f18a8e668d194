import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './ancillary.scenarios.js';

testScenarios(new URL('./ancillary.scenarios.js', import.meta.url).href, scenarios);
