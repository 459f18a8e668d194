import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './descriptors.scenarios.js';

testScenarios(new URL('./descriptors.scenarios.js', import.meta.url).href, scenarios);
