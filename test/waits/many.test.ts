import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './many.scenarios.js';

testScenarios(new URL('./many.scenarios.js', import.meta.url).href, scenarios);
