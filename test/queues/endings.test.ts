import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './endings.scenarios.js';

testScenarios(new URL('./endings.scenarios.js', import.meta.url).href, scenarios);
