import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './lying-bytes.scenarios.js';

testScenarios(new URL('./lying-bytes.scenarios.js', import.meta.url).href, scenarios);
