import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './barrier.scenarios.js';

testScenarios(new URL('./barrier.scenarios.js', import.meta.url).href, scenarios);
