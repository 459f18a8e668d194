import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './hooks.scenarios.js';

testScenarios(new URL('./hooks.scenarios.js', import.meta.url).href, scenarios);
