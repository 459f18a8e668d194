import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './traffic.scenarios.js';

testScenarios(new URL('./traffic.scenarios.js', import.meta.url).href, scenarios);
