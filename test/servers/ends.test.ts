import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './ends.scenarios.js';

testScenarios(new URL('./ends.scenarios.js', import.meta.url).href, scenarios);
