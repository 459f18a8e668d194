import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './look-ups.scenarios.js';

testScenarios(new URL('./look-ups.scenarios.js', import.meta.url).href, scenarios);
