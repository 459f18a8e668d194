import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './steps.scenarios.js';

testScenarios(new URL('./steps.scenarios.js', import.meta.url).href, scenarios);
