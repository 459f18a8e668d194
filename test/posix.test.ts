import { scenarios } from './posix.scenarios.js';
import { testScenarios } from './support/scenarios.js';

testScenarios(new URL('./posix.scenarios.js', import.meta.url).href, scenarios);
