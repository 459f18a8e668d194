import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './identity.scenarios.js';

testScenarios(new URL('./identity.scenarios.js', import.meta.url).href, scenarios);
