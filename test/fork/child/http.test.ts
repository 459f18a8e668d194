import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './http.scenarios.js';

testScenarios(new URL('./http.scenarios.js', import.meta.url).href, scenarios);
