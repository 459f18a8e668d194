import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './options.scenarios.js';

testScenarios(new URL('./options.scenarios.js', import.meta.url).href, scenarios);
