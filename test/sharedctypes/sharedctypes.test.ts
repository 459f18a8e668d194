import { scenarios } from './sharedctypes.scenarios.js';
import { testScenarios } from '../support/scenarios.js';

testScenarios(new URL('./sharedctypes.scenarios.js', import.meta.url).href, scenarios);
