import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './stopped.scenarios.js';

testScenarios(new URL('./stopped.scenarios.js', import.meta.url).href, scenarios);
