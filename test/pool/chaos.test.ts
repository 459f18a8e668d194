import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './chaos.scenarios.js';

testScenarios(new URL('./chaos.scenarios.js', import.meta.url).href, scenarios);
