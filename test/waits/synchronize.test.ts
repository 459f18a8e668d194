import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './synchronize.scenarios.js';

testScenarios(new URL('./synchronize.scenarios.js', import.meta.url).href, scenarios);
