import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './shared-objects.scenarios.js';

testScenarios(new URL('./shared-objects.scenarios.js', import.meta.url).href, scenarios);
