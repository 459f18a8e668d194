import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './containers.scenarios.js';

testScenarios(new URL('./containers.scenarios.js', import.meta.url).href, scenarios);
