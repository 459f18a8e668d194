import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './inherit.scenarios.js';

testScenarios(new URL('./inherit.scenarios.js', import.meta.url).href, scenarios);
