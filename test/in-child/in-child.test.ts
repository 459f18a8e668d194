import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './in-child.scenarios.js';

testScenarios(new URL('./in-child.scenarios.js', import.meta.url).href, scenarios);
