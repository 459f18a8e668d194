import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './beyond.scenarios.js';

testScenarios(new URL('./beyond.scenarios.js', import.meta.url).href, scenarios);
