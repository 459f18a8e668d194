import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './heap.scenarios.js';

testScenarios(new URL('./heap.scenarios.js', import.meta.url).href, scenarios);
