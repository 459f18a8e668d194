import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './closing.scenarios.js';

testScenarios(new URL('./closing.scenarios.js', import.meta.url).href, scenarios);
