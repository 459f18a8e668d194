// Programs for which every name but localhost takes a minute to be looked up.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../../test/support/slow-resolver.c', import.meta.url));

/** Whether such a library can be loaded here. */
export const HAVE_SLOW_RESOLVER: boolean = process.platform === 'linux';

/** Runs the module whose text is `program`. Returns how it ended. */
export function runWithSlowResolver(
  program: string,
  env: NodeJS.ProcessEnv = {},
): { status: number | null; stderr: string } {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-test-'));
  try {
    const library = join(directory, 'slow-resolver.so');
    const built = spawnSync('cc', ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl']);
    assert.equal(built.status, 0, String(built.stderr));
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, LD_PRELOAD: library, ...env },
      encoding: 'utf8',
    });
    return { status, stderr };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
