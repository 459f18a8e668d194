import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './python-peers.scenarios.js';

testScenarios(new URL('./python-peers.scenarios.js', import.meta.url).href, scenarios);
