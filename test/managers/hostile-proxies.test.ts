import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './hostile-proxies.scenarios.js';

testScenarios(new URL('./hostile-proxies.scenarios.js', import.meta.url).href, scenarios);
