import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './listener.scenarios.js';

testScenarios(new URL('./listener.scenarios.js', import.meta.url).href, scenarios);
