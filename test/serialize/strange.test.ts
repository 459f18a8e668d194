import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './strange.scenarios.js';

testScenarios(new URL('./strange.scenarios.js', import.meta.url).href, scenarios);
