// Where something is missing that a fork needs, the error says what it is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inChild } from 'truefork';
import { fork, _exit, waitpid } from 'truefork/posix';
import { commandOf } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';

/** A copy of the package without the addon, in a directory of its own. */
async function inCopy(use: (directory: string, index: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-'));
  try {
    const root = import.meta.resolve('truefork/package.json');
    for (const name of ['dist', 'package.json']) {
      cpSync(fileURLToPath(new URL(name, root)), join(directory, name), { recursive: true });
    }
    await use(directory, pathToFileURL(join(directory, 'dist/index.js')).href);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function assertRefused(flags: string[], name: string, expected: RegExp): void {
  const [node, ...args] = commandOf(name);
  const { status, stderr } = spawnSync(node!, [...flags, ...args], { encoding: 'utf8' });
  assert.equal(status, 1, stderr);
  assert.match(stderr, /ERR_TRUEFORK_UNSUPPORTED/);
  assert.match(stderr, expected);
}

/** Runs a scenario in a mount namespace of its own, where `script` has changed something. */
function inNamespace(script: string, name: string): string {
  const [node, ...args] = commandOf(name);
  const command = ['-m', 'sh', '-c', `${script} && exec "$0" "$@"`, node!, ...args];
  const { status, stdout, stderr } = spawnSync('unshare', command, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  return stdout;
}

const NO_DEV = 'mount -t tmpfs none /mnt && mount --bind /mnt /dev';
const supportsPermission = process.allowedNodeEnvironmentFlags.has('--permission');
const supportsInspector = process.allowedNodeEnvironmentFlags.has('--allow-inspector');

const programs: Scenarios = {
  async forks() {
    assert.equal(await inChild(async () => 42), 42);
    const pid = fork();
    if (pid === 0) _exit(7);
    assert.equal(waitpid(pid)!.exitcode, 7);
  },

  async 'forks without /proc'() {
    const expected = { code: 'ERR_TRUEFORK_UNSUPPORTED', message: /without \/proc.*mount/ };
    assert.throws(() => fork(), expected);
    await assert.rejects(
      inChild(() => {}),
      expected,
    );
  },
};

const needRoot: Scenarios = {
  'without /proc'() {
    inNamespace('umount -l /proc', 'forks without /proc');
  },

  'without /dev/null'() {
    inNamespace(NO_DEV, 'forks');
  },
};

const unprivileged: Scenarios = {
  'under --permission'() {
    const permission = supportsPermission ? '--permission' : '--experimental-permission';
    const flags = [permission, '--allow-fs-read=*'];
    assertRefused(flags, 'forks', /run node with --allow-addons and --allow-inspector/);
    if (supportsInspector) {
      assertRefused([...flags, '--allow-addons'], 'forks', /run with --allow-inspector/);
    }
  },

  'with --no-addons'() {
    assertRefused(['--no-addons'], 'forks', /truefork is a native addon/);
  },

  'with --frozen-intrinsics'() {
    assertRefused(['--frozen-intrinsics'], 'forks', /cannot fork with --frozen-intrinsics/);
  },

  async 'a binary that cannot be loaded'() {
    await inCopy(async (directory, index) => {
      mkdirSync(join(directory, 'build/Release'), { recursive: true });
      writeFileSync(join(directory, 'build/Release/truefork.node'), 'nonsense'.repeat(1000));
      await assert.rejects(import(index), {
        code: 'ERR_TRUEFORK_UNSUPPORTED',
        message: /cannot load .*truefork\.node: .*(invalid ELF header|not a mach-o file)/,
      });
    });
  },

  async 'no binary'() {
    await inCopy(async (_, index) => {
      await assert.rejects(import(index), {
        code: 'ERR_TRUEFORK_UNSUPPORTED',
        message: /truefork has no binary for/,
      });
    });
  },
};

export const tests: Scenarios =
  process.platform === 'linux' && process.getuid!() === 0
    ? { ...unprivileged, ...needRoot }
    : unprivileged;

export const scenarios: Scenarios = { ...programs, ...tests };
