import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './untaken.scenarios.js';

testScenarios(new URL('./untaken.scenarios.js', import.meta.url).href, scenarios);
