// What no source of the package may have.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));

function sources(): string[] {
  const names = readdirSync(LIB, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(LIB, name));
}

// A call takes some 120,000 arguments at most: what is data is passed one by one, or as one array.
const SPREADS =
  /\b(?:push|unshift|splice|max|min|fromCharCode|fromCodePoint|assign)\((?:[^()]*, )?\.\.\.(?!\w+: )/;

test('no data is spread into the arguments of a call', () => {
  const found = sources().filter((path) => SPREADS.test(readFileSync(path, 'utf8')));
  assert.deepEqual(found, []);
});
