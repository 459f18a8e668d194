import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './failures.scenarios.js';

testScenarios(new URL('./failures.scenarios.js', import.meta.url).href, scenarios);
