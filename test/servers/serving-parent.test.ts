import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './serving-parent.scenarios.js';

testScenarios(new URL('./serving-parent.scenarios.js', import.meta.url).href, scenarios);
