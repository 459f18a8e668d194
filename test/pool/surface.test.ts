import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './surface.scenarios.js';

testScenarios(new URL('./surface.scenarios.js', import.meta.url).href, scenarios);
