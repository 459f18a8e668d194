import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './given-back.scenarios.js';

testScenarios(new URL('./given-back.scenarios.js', import.meta.url).href, scenarios);
