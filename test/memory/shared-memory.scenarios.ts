import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import crypto, { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Connection, inChild, Pipe, Process, SharedMemory } from 'truefork';
import { _exit, fork, kill, waitpid } from 'truefork/posix';
import {
  children,
  countDescriptors,
  countSharedMappings,
  sleep,
  until,
} from '../support/observe.js';
import { startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const MISSING = { name: 'Error', code: 'ENOENT', syscall: 'shm_open', message: 'shm_open ENOENT' };
const EXISTING = { name: 'Error', code: 'EEXIST', syscall: 'shm_open', message: 'shm_open EEXIST' };

function freshName(): string {
  return `truefork-test-${randomBytes(8).toString('hex')}`;
}

function exists(name: string): boolean {
  return existsSync(`/dev/shm/${name}`);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** The pids of the shells that track for process `pid`. */
function shells(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const [program, , script, , of] = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
        return program === '/bin/sh' && script!.includes('read -r id name') && of === String(pid);
      } catch {
        return false;
      }
    })
    .map(Number);
}

const NOBODY = 65_534;

/** Gives up the privileges with which the kernel would not count. */
function mayHaveNoMoreProcesses(): void {
  if (process.getuid!() === 0) {
    process.setgid!(NOBODY);
    process.setuid!(NOBODY);
  }
  const { status } = spawnSync('prlimit', ['--pid', String(process.pid), '--nproc=1:']);
  assert.equal(status, 0);
}

async function succeeds(target: () => unknown): Promise<void> {
  const child = new Process({ target });
  child.start();
  assert.equal(await child.join(), 0);
}

/** Python as of 3.11 removes what it has attached to, unless told not to. */
const PYTHON = `
import sys
from multiprocessing import shared_memory, resource_tracker
def attach(name):
    shm = shared_memory.SharedMemory(name=name)
    resource_tracker.unregister(shm._name, 'shared_memory')
    return shm
`;

function python(script: string, ...args: string[]): string {
  return execFileSync('python3', ['-c', PYTHON + script, ...args]).toString();
}

/** Makes segments, says which, and does as it is told. */
async function leak(how: string): Promise<void> {
  const segments = [
    new SharedMemory({ create: true, size: 100 }),
    new SharedMemory({ create: true, size: 100, name: freshName() }),
    new SharedMemory({ create: true, size: 100, name: `${freshName()} $(touch x) "'\n\\;*` }),
    new SharedMemory({ create: true, size: 100 }),
  ];
  segments[3]!.unlink();
  const untracked = new SharedMemory({ create: true, size: 100, track: false });
  const names = segments.slice(0, 3).map(({ name }) => name);
  console.log(JSON.stringify({ names, untracked: untracked.name }));
  if (how === 'throws') throw new Error('on purpose');
  if (how === 'calls process.exit') process.exit(3);
  if (how === 'has a child that lives on') {
    new Process({ target: () => sleep(20_000), daemon: true }).start();
    await sleep(20_000);
  }
  if (how === 'has a forked child that lives on' && fork() === 0) await sleep(20_000);
  if (how !== 'ends') await sleep(20_000);
}

async function assertCleanedUp(how: string, signal?: NodeJS.Signals): Promise<void> {
  const program = startProgram('leaks', {}, how);
  const { names, untracked } = await program.report<{ names: string[]; untracked: string }>();
  if (signal !== undefined) {
    assert.ok(names.every(exists));
    program.process.kill(signal);
  }
  // A child that lives on has its stderr.
  if (!how.startsWith('has')) await program.end();
  await until(() => !names.some(exists));
  assert.ok(exists(untracked));
  new SharedMemory({ name: untracked }).unlink();
  const message = `truefork: process ${program.pid} has leaked shared memory, which was cleaned up (3): `;
  await until(() => program.stderr.includes(message));
  assert.ok(!program.stderr.includes(untracked));
  assert.equal(program.stderr.split(message).length, 2);
}

/** Makes and unlinks segments, whose names all begin alike, until it is killed. */
function churn(prefix: string): void {
  const { randomUUID: random } = crypto;
  crypto.randomUUID = () => `${prefix}${random().slice(4)}` as ReturnType<typeof random>;
  syncBuiltinESMExports();
  console.log('{}');
  for (;;) {
    const kept = Array.from({ length: 5 }, () => new SharedMemory({ create: true, size: 10 }));
    for (const shm of kept) {
      shm.close();
      shm.unlink();
    }
  }
}

const programs: Scenarios = {
  leaks: () => leak(process.argv[4]!),
  churns: () => churn(process.argv[4]!),
};

export const tests: Scenarios = {
  'name, size, buf'() {
    using shm = new SharedMemory({ create: true, size: 512 });
    assert.match(shm.name, /^psm_[0-9a-f]{8}$/);
    assert.equal(shm.size, 512);
    assert.equal(shm.buf.length, 512);
    assert.ok(Buffer.isBuffer(shm.buf));
    assert.ok(shm.buf.every((byte) => byte === 0));
    assert.equal(inspect(shm), `SharedMemory('${shm.name}', size=512)`);
    shm.buf[0] = 42;
    using also = new SharedMemory({ name: shm.name });
    assert.equal(also.size, 512);
    assert.equal(also.buf[0], 42);
    also.buf[1] = 22;
    assert.equal(shm.buf[1], 22);
    using ignored = new SharedMemory({ name: shm.name, size: 1 });
    assert.equal(ignored.size, 512);
    new Float64Array(also.buf.buffer)[1] = 0.5;
    assert.equal(shm.buf.readDoubleLE(8), 0.5);
    assert.ok(exists(shm.name));
    shm.unlink();
    assert.ok(!exists(shm.name));
    assert.throws(() => shm.unlink(), { code: 'ENOENT', syscall: 'shm_unlink' });
    assert.equal(also.buf[0], 42);
  },

  'a given name'() {
    const name = freshName();
    assert.throws(() => new SharedMemory({ name }), MISSING);
    const shm = new SharedMemory({ name, create: true, size: 10 });
    assert.equal(shm.name, name);
    assert.equal(shm.size, 10);
    assert.throws(() => new SharedMemory({ name, create: true, size: 10 }), EXISTING);
    assert.ok(exists(name));
    shm.unlink();
    assert.throws(() => new SharedMemory({ name }), MISSING);
    const again = new SharedMemory({ name, create: true, size: 20 });
    assert.equal(again.buf[0], 0);
    again.unlink();
  },

  'made if it is missing'() {
    const name = freshName();
    const first = new SharedMemory({ name, create: 'if-missing', size: 10 });
    first.buf[9] = 1;
    const second = new SharedMemory({ name, create: 'if-missing', size: 500 });
    assert.equal(second.size, 10);
    assert.equal(second.buf[9], 1);
    first.unlink();
  },

  'what cannot be made'() {
    for (const size of [0, -1, 1.5, Number.NaN, undefined]) {
      assert.throws(() => new SharedMemory({ create: true, size }), OUT_OF_RANGE);
      if (size === undefined || size === 0) continue;
      assert.throws(() => new SharedMemory({ name: 'x', size }), OUT_OF_RANGE);
    }
    assert.throws(() => new SharedMemory({ create: true, size: '1' as never }), WRONG_TYPE);
    assert.throws(() => new SharedMemory({}), { ...WRONG_TYPE, message: /"name"/ });
    assert.throws(() => new SharedMemory({ create: 'if-missing', size: 1 }), WRONG_TYPE);
    assert.throws(() => new SharedMemory(null as never), WRONG_TYPE);
    assert.throws(() => new SharedMemory({ create: 1 as never, size: 1 }), WRONG_TYPE);
    for (const name of ['', '.', '..', '/', '/a', 'a/b', 5]) {
      const options = { name: name as string, create: true, size: 1 };
      assert.throws(() => new SharedMemory(options), WRONG_TYPE);
    }
    assert.throws(() => new SharedMemory({ name: 'a\0b' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => new SharedMemory({ name: 'n'.repeat(300) }), { syscall: 'shm_open' });
    const name = freshName();
    writeFileSync(`/dev/shm/${name}`, '');
    assert.throws(() => new SharedMemory({ name }), { code: 'EINVAL', syscall: 'mmap' });
    execFileSync('rm', [`/dev/shm/${name}`]);
  },

  'no room for it'() {
    // More than there is at all: what is free changes while other tests run.
    const { blocks, bsize } = statfsSync('/dev/shm');
    const size = (blocks + 1) * bsize;
    const name = freshName();
    assert.throws(() => new SharedMemory({ create: true, size }), { code: 'ENOSPC' });
    assert.throws(() => new SharedMemory({ name, create: true, size }), { code: 'ENOSPC' });
    assert.ok(!exists(name));
  },

  'no descriptors for it'() {
    execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=60:4096']);
    const named = freshName();
    const hogs: Connection[] = [];
    assert.throws(
      () => {
        for (;;) hogs.push(...Pipe());
      },
      { code: 'EMFILE' },
    );
    for (const name of [undefined, named]) {
      assert.throws(() => new SharedMemory({ name, create: true, size: 1 }), { code: 'EMFILE' });
    }
    for (const end of hogs) end.close();
    assert.ok(!exists(named));
    const shm = new SharedMemory({ create: true, size: 1 });
    shm.unlink();
  },

  'closed memory is empty, and no crash'() {
    const shm = new SharedMemory({ create: true, size: 100 });
    const { buf } = shm;
    const before = countSharedMappings();
    shm.close();
    shm.close();
    assert.equal(countSharedMappings(), before - 1);
    assert.equal(buf.length, 0);
    assert.equal(shm.buf.length, 0);
    assert.equal(buf[0], undefined);
    assert.throws(() => buf.writeInt8(1, 0), RangeError);
    assert.equal(shm.size, 100);
    assert.ok(exists(shm.name));
    shm.unlink();
  },

  async 'nothing stays behind'() {
    new SharedMemory({ create: true, size: 1 }).unlink(); // the shell has started
    await sleep(50);
    const descriptors = countDescriptors();
    const mappings = countSharedMappings();
    for (let i = 0; i < 200; i++) {
      const shm = new SharedMemory({ create: true, size: 10_000 });
      const again = new SharedMemory({ name: shm.name });
      shm.unlink();
      if (i % 2 === 0) continue; // the collector unmaps these
      shm.close();
      again.close();
    }
    assert.equal(countDescriptors(), descriptors);
    await until(() => {
      collectGarbage();
      return countSharedMappings() <= mappings + 5;
    });
  },

  async 'across processes, by name and by object'() {
    const shm = new SharedMemory({ create: true, size: 512 });
    shm.buf.write('hello', 0);
    const child = new Process({
      target: async () => {
        using byName = new SharedMemory({ name: shm.name });
        assert.equal(byName.buf.toString('utf8', 0, 5), 'hello');
        byName.buf.write('world', 5);
        shm.buf.write('again', 10);
        await inChild(() => shm.buf.write('below', 15));
        shm.close();
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
    assert.equal(shm.buf.toString('utf8', 0, 20), 'helloworldagainbelow');
    assert.ok(exists(shm.name));
    shm.unlink();
  },

  async 'sent through a connection, by name'() {
    const [near, far] = Pipe();
    const shm = new SharedMemory({ create: true, size: 100 });
    near.sendSync(shm);
    const received = (await far.recv()) as SharedMemory;
    assert.ok(received instanceof SharedMemory);
    assert.deepEqual([received.name, received.size], [shm.name, 100]);
    received.buf[5] = 5;
    assert.equal(shm.buf[5], 5);
    near.sendSync({ shm });
    const { shm: inner } = (await far.recv()) as { shm: SharedMemory };
    assert.equal(inner.buf[5], 5);
    near.sendSync(shm);
    shm.unlink();
    await assert.rejects(far.recv(), MISSING);
  },

  'Python attaches to ours'() {
    const shm = new SharedMemory({ create: true, size: 1000 });
    shm.buf.write('from node');
    const printed = python(
      `
shm = attach(sys.argv[1])
print(shm.size, bytes(shm.buf[:9]).decode())
shm.buf[100:111] = b'from python'
shm.close()
`,
      shm.name,
    );
    assert.equal(printed, '1000 from node\n');
    assert.equal(shm.buf.toString('utf8', 100, 111), 'from python');
    shm.unlink();
  },

  'ours attaches to that of Python'() {
    const name = python(`
shm = shared_memory.SharedMemory(create=True, size=10)
shm.buf[:5] = b'snake'
resource_tracker.unregister(shm._name, 'shared_memory')
print(shm.name, end='')
`);
    const shm = new SharedMemory({ name });
    assert.equal(shm.size, 10);
    assert.equal(shm.buf.toString('utf8', 0, 5), 'snake');
    shm.unlink();
    const outcome = python(
      `
try:
    attach(sys.argv[1])
except FileNotFoundError:
    print('gone')
`,
      name,
    );
    assert.equal(outcome, 'gone\n');
  },

  async 'a process that ends has its segments cleaned up'() {
    await assertCleanedUp('ends');
    await assertCleanedUp('calls process.exit');
    await assertCleanedUp('throws');
  },

  async 'so has one that is killed'() {
    await assertCleanedUp('waits', 'SIGKILL');
    await assertCleanedUp('waits', 'SIGTERM');
    await assertCleanedUp('waits', 'SIGINT');
    await assertCleanedUp('waits', 'SIGSEGV');
  },

  async 'also while its children live on'() {
    await assertCleanedUp('has a child that lives on', 'SIGKILL');
    await assertCleanedUp('has a forked child that lives on', 'SIGKILL');
  },

  async 'killed at any moment'() {
    for (let i = 0; i < 10; i++) {
      const prefix = randomBytes(2).toString('hex');
      const fresh = (): string[] =>
        readdirSync('/dev/shm').filter((name) => name.startsWith(`psm_${prefix}`));
      const program = startProgram('churns', {}, prefix);
      await program.report();
      await sleep(Math.random() * 20);
      program.process.kill('SIGKILL');
      const { pid } = program;
      assert.equal((await program.end()).signal, 'SIGKILL');
      await until(() => shells(pid).length === 0);
      assert.deepEqual(fresh(), []);
    }
  },

  async 'a shell for each process that makes something, and only then'() {
    assert.deepEqual(shells(process.pid), []);
    new SharedMemory({ create: true, size: 1, track: false }).unlink();
    assert.deepEqual(shells(process.pid), []);
    const ours = new SharedMemory({ create: true, size: 1 });
    await until(() => shells(process.pid).length === 1);
    const [shell] = shells(process.pid);
    await inChild(async () => {
      assert.deepEqual(shells(process.pid), []);
      const theirs = new SharedMemory({ create: true, size: 1 });
      await until(() => shells(process.pid).length === 1);
      theirs.unlink();
    });
    assert.ok(exists(ours.name));
    assert.deepEqual(shells(process.pid), [shell]);
    const { pid } = process;
    const waiting = fork();
    if (waiting === 0) _exit(shells(process.pid).length);
    assert.equal(waitpid(waiting)!.exitcode, 0);
    // It outlives what people press, and another one takes over when it is killed.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) kill(shell!, signal);
    await sleep(20);
    assert.deepEqual(shells(pid), [shell]);
    kill(shell!, 'SIGKILL');
    await until(() => shells(pid).length === 0);
    const more = new SharedMemory({ create: true, size: 1 });
    await until(() => shells(pid).length === 1);
    ours.unlink();
    more.unlink();
  },

  async 'a shell that gets signals as soon as it is there'() {
    for (let i = 0; i < 10; i++) {
      await succeeds(() => {
        const shm = new SharedMemory({ create: true, size: 1 });
        const [shell] = children().keys();
        for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) kill(shell!, signal);
        // It is there to be told.
        const other = new SharedMemory({ create: true, size: 1 });
        assert.deepEqual([...children().keys()], [shell]);
        shm.unlink();
        other.unlink();
      });
    }
  },

  'where there can be no shell': {
    run() {
      mayHaveNoMoreProcesses();
      for (let i = 0; i < 2; i++) new SharedMemory({ create: true, size: 1 }).unlink();
    },
    stderr:
      /^\(node:\d+\) \[TRUEFORK_NO_CLEANUP\] TrueforkWarning: .*spawn \/bin\/sh EAGAIN.*\n.*\n$/,
  },

  'what a child makes goes with the child': {
    async run() {
      const name = freshName();
      const child = new Process({
        target: () => void new SharedMemory({ name, create: true, size: 10 }).buf.fill(1),
      });
      child.start();
      assert.equal(await child.join(), 0);
      await until(() => !exists(name));
      const kept = freshName();
      const other = new Process({
        target: () => {
          new SharedMemory({ name: kept, create: true, size: 10, track: false }).buf.fill(1);
        },
      });
      other.start();
      assert.equal(await other.join(), 0);
      const shm = new SharedMemory({ name: kept });
      assert.equal(shm.buf[9], 1);
      shm.unlink();
    },
    stderr:
      /^truefork: process \d+ has leaked shared memory, which was cleaned up \(1\): truefork-test-\w+\n$/,
  },

  'who attaches removes nothing': {
    async run() {
      const shm = new SharedMemory({ create: true, size: 10 });
      const child = new Process({
        target: () => {
          new SharedMemory({ name: shm.name }).buf[0] = 1;
          process.kill(process.pid, 'SIGKILL');
        },
      });
      child.start();
      assert.equal(await child.join(), -9);
      await sleep(100);
      assert.ok(exists(shm.name));
      assert.equal(shm.buf[0], 1);
      shm.unlink();
    },
  },

  async 'an exit listener that unlinks'() {
    const shm = new SharedMemory({ create: true, size: 10 });
    process.on('exit', () => shm.unlink());
    await sleep(1);
  },

  'thousands of them'() {
    const many = Array.from({ length: 3000 }, () => new SharedMemory({ create: true, size: 8 }));
    assert.equal(new Set(many.map(({ name }) => name)).size, 3000);
    many.forEach(({ buf }, i) => buf.writeDoubleLE(i));
    assert.ok(many.every(({ buf }, i) => buf.readDoubleLE() === i));
    for (const shm of many) shm.unlink();
  },
};

export const scenarios: Scenarios = { ...programs, ...tests };
