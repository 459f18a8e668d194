import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './forks.scenarios.js';

testScenarios(new URL('./forks.scenarios.js', import.meta.url).href, scenarios);
