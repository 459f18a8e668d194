import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './lost-workers.scenarios.js';

testScenarios(new URL('./lost-workers.scenarios.js', import.meta.url).href, scenarios);
