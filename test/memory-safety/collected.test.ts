import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './collected.scenarios.js';

testScenarios(new URL('./collected.scenarios.js', import.meta.url).href, scenarios);
