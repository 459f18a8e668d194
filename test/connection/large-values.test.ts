import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './large-values.scenarios.js';

testScenarios(new URL('./large-values.scenarios.js', import.meta.url).href, scenarios);
