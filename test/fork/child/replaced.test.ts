import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './replaced.scenarios.js';

testScenarios(new URL('./replaced.scenarios.js', import.meta.url).href, scenarios);
