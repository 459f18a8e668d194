import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './process.scenarios.js';

testScenarios(new URL('./process.scenarios.js', import.meta.url).href, scenarios);
