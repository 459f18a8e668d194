import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, test } from 'node:test';
import { assertSuccess, runFixture } from '../support/run-fixture.js';
import { writePrograms } from './programs.js';

const programs = writePrograms();
after(() => rmSync(dirname(dirname(programs[0]!.path)), { recursive: true }));

for (const { name, path, stdout } of programs) {
  test(name, async () => {
    const result = await runFixture(import.meta.url, path);
    assertSuccess(result);
    if (typeof stdout === 'string') assert.equal(result.stdout, stdout, result.stderr);
    else assert.match(result.stdout, stdout, result.stderr);
  });
}
