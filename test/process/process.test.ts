import { scenarios } from './process.scenarios.js';
import { testScenarios } from '../support/scenarios.js';

testScenarios(new URL('./process.scenarios.js', import.meta.url).href, scenarios);
