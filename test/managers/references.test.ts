import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './references.scenarios.js';

testScenarios(new URL('./references.scenarios.js', import.meta.url).href, scenarios);
