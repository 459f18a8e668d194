import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './wire.scenarios.js';

testScenarios(new URL('./wire.scenarios.js', import.meta.url).href, scenarios);
