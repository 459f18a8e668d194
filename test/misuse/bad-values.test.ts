import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './bad-values.scenarios.js';

testScenarios(new URL('./bad-values.scenarios.js', import.meta.url).href, scenarios);
