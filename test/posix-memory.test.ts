import { scenarios } from './posix-memory.scenarios.js';
import { testScenarios } from './support/scenarios.js';

testScenarios(new URL('./posix-memory.scenarios.js', import.meta.url).href, scenarios);
