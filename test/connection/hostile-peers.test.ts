import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './hostile-peers.scenarios.js';

testScenarios(new URL('./hostile-peers.scenarios.js', import.meta.url).href, scenarios);
