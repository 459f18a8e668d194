import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './functions.scenarios.js';

testScenarios(new URL('./functions.scenarios.js', import.meta.url).href, scenarios);
