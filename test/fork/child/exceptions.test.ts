import { testScenarios } from '../../support/scenarios.js';
import { scenarios } from './exceptions.scenarios.js';

testScenarios(new URL('./exceptions.scenarios.js', import.meta.url).href, scenarios);
