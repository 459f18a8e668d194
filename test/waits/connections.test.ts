import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './connections.scenarios.js';

testScenarios(new URL('./connections.scenarios.js', import.meta.url).href, scenarios);
