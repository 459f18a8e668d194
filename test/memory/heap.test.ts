import { scenarios } from './heap.scenarios.js';
import { testScenarios } from '../support/scenarios.js';

testScenarios(new URL('./heap.scenarios.js', import.meta.url).href, scenarios);
