import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './rlock.scenarios.js';

testScenarios(new URL('./rlock.scenarios.js', import.meta.url).href, scenarios);
