import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './preloaded.scenarios.js';

testScenarios(new URL('./preloaded.scenarios.js', import.meta.url).href, scenarios);
