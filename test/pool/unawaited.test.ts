import { testScenarios } from '../support/scenarios.js';
import { scenarios } from './unawaited.scenarios.js';

testScenarios(new URL('./unawaited.scenarios.js', import.meta.url).href, scenarios);
