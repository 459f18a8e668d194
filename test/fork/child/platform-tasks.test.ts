import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './platform-tasks.scenarios.js';

testScenarios(new URL('./platform-tasks.scenarios.js', import.meta.url).href, scenarios);
