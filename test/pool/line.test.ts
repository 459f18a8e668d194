import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './line.scenarios.js';

testScenarios(new URL('./line.scenarios.js', import.meta.url).href, scenarios);
