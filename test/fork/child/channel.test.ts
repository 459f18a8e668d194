import { testScenarios } from '../../support/scenarios.js';
import { tests } from './channel.scenarios.js';

testScenarios(new URL('./channel.scenarios.js', import.meta.url).href, tests);
