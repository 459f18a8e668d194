import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './prefork.scenarios.js';

testScenarios(new URL('./prefork.scenarios.js', import.meta.url).href, scenarios);
