import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './sending.scenarios.js';

testScenarios(new URL('./sending.scenarios.js', import.meta.url).href, scenarios);
