import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './retained.scenarios.js';

testScenarios(new URL('./retained.scenarios.js', import.meta.url).href, scenarios);
