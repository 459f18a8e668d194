import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './waiting.scenarios.js';

testScenarios(new URL('./waiting.scenarios.js', import.meta.url).href, scenarios);
