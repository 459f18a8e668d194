import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './under-way.scenarios.js';

testScenarios(new URL('./under-way.scenarios.js', import.meta.url).href, scenarios);
