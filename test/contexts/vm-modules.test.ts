import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './vm-modules.scenarios.js';

testScenarios(new URL('./vm-modules.scenarios.js', import.meta.url).href, scenarios);
