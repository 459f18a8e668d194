import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './events.scenarios.js';

testScenarios(new URL('./events.scenarios.js', import.meta.url).href, scenarios);
