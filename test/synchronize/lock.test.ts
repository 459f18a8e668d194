import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './lock.scenarios.js';

testScenarios(new URL('./lock.scenarios.js', import.meta.url).href, scenarios);
