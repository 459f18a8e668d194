import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './messages.scenarios.js';

testScenarios(new URL('./messages.scenarios.js', import.meta.url).href, scenarios);
