import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './closed-handles.scenarios.js';

testScenarios(new URL('./closed-handles.scenarios.js', import.meta.url).href, scenarios);
