import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './schedules.scenarios.js';

testScenarios(new URL('./schedules.scenarios.js', import.meta.url).href, scenarios);
