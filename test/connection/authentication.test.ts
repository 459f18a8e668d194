import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './authentication.scenarios.js';

testScenarios(new URL('./authentication.scenarios.js', import.meta.url).href, scenarios);
