import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './tasks.scenarios.js';

testScenarios(new URL('./tasks.scenarios.js', import.meta.url).href, scenarios);
