import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './alive.scenarios.js';

testScenarios(new URL('./alive.scenarios.js', import.meta.url).href, scenarios);
