import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './file-streams.scenarios.js';

testScenarios(new URL('./file-streams.scenarios.js', import.meta.url).href, scenarios);
