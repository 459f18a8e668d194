import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './shared-data.scenarios.js';

testScenarios(new URL('./shared-data.scenarios.js', import.meta.url).href, scenarios);
