import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './sharedctypes.scenarios.js';

testScenarios(new URL('./sharedctypes.scenarios.js', import.meta.url).href, scenarios);
