import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './shareable-list.scenarios.js';

testScenarios(new URL('./shareable-list.scenarios.js', import.meta.url).href, scenarios);
