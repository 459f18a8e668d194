import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './event.scenarios.js';

testScenarios(new URL('./event.scenarios.js', import.meta.url).href, scenarios);
