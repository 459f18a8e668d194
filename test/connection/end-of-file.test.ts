import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './end-of-file.scenarios.js';

testScenarios(new URL('./end-of-file.scenarios.js', import.meta.url).href, scenarios);
