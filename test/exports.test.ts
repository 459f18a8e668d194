// The package as it is built: modules bundled into few, whose names may clash.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as truefork from 'truefork';
import * as posix from 'truefork/posix';

for (const [door, exported] of Object.entries({ truefork, 'truefork/posix': posix })) {
  test(`${door}: functions and classes have the names that they are exported by`, () => {
    for (const [name, value] of Object.entries<unknown>(exported)) {
      if (typeof value === 'function') assert.equal(value.name, name);
    }
  });
}
