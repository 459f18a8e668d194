import { scenarios } from './in-child.scenarios.js';
import { testScenarios } from '../support/scenarios.js';

testScenarios(new URL('./in-child.scenarios.js', import.meta.url).href, scenarios);
