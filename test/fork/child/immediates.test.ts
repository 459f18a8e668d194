import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './immediates.scenarios.js';

testScenarios(new URL('./immediates.scenarios.js', import.meta.url).href, scenarios);
