import { test } from 'node:test';
import { testScenarios } from '../support/scenarios.js';
import { tests } from './privileges.scenarios.js';

if (process.platform === 'linux' && process.getuid!() === 0) {
  testScenarios(new URL('./privileges.scenarios.js', import.meta.url).href, tests);
} else {
  test('privileges', { skip: 'only root has privileges to give up' }, () => {});
}
