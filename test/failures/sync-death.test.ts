import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './sync-death.scenarios.js';

testScenarios(new URL('./sync-death.scenarios.js', import.meta.url).href, scenarios);
