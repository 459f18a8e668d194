import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './timeouts.scenarios.js';

testScenarios(new URL('./timeouts.scenarios.js', import.meta.url).href, scenarios);
