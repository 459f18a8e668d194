import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './loader-hooks.scenarios.js';

testScenarios(new URL('./loader-hooks.scenarios.js', import.meta.url).href, scenarios);
