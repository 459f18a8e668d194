import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './authkey.scenarios.js';

testScenarios(new URL('./authkey.scenarios.js', import.meta.url).href, scenarios);
