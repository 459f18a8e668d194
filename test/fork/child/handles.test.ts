import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './handles.scenarios.js';

testScenarios(new URL('./handles.scenarios.js', import.meta.url).href, scenarios);
