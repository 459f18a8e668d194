// The system has no descriptors or processes left to give.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { Process } from 'truefork';
import { fork, kill, pipe, registerAtFork, socketpair, waitpid } from 'truefork/posix';
import { children, countDescriptors } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertGood, failure, forked, pause } from './support.js';

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function have(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

/** Sets the soft limit of this process. */
function limit(resource: 'nofile' | 'nproc', soft: number): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--${resource}=${soft}:`]);
}

function softLimit(resource: 'nproc'): string {
  const options = ['--raw', '--noheadings', '--output', 'SOFT', `--${resource}`];
  return execFileSync('prlimit', options, { encoding: 'utf8' }).trim();
}

/** Leaves `free` descriptors to open. Returns a function that frees the others. */
function leaveDescriptors(free: number): () => void {
  const plugs: number[] = [];
  try {
    for (;;) plugs.push(openSync('/dev/null', 'r'));
  } catch (error) {
    assert.equal(codeOf(error), 'EMFILE');
  }
  for (let i = 0; i < free; i++) closeSync(plugs.pop()!);
  return () => plugs.forEach((fd) => closeSync(fd));
}

/** As countDescriptors(), for a process that may not look into its /proc/self/fd. */
function countLowDescriptors(): number {
  let count = 0;
  for (let fd = 0; fd < 1000; fd++) {
    try {
      fstatSync(fd);
      count++;
    } catch {
      // not open
    }
  }
  return count;
}

export const scenarios: Scenarios = {
  async 'no descriptors left: fork() fails and works again'() {
    if (!have('prlimit')) return; // this limit can only be set from outside
    limit('nofile', 200);
    let isOver = false;
    registerAtFork({ afterInParent: () => (isOver = true) });
    const descriptors = countDescriptors();
    for (const free of [0, 1]) {
      const freeAll = leaveDescriptors(free);
      isOver = false;
      assert.throws(() => fork(), failure('pipe', 'EMFILE'));
      assert.equal(isOver, true);
      assert.throws(() => pipe(), failure('pipe', 'EMFILE'));
      assert.throws(() => socketpair(), failure('socketpair', 'EMFILE'));
      freeAll();
      assert.equal(countDescriptors(), descriptors);
      assertGood(forked(() => {}));
    }
    assert.equal(children().size, 0);
  },

  async 'few descriptors left: fork() works or fails, but leaves nothing'() {
    if (!have('prlimit')) return; // this limit can only be set from outside
    limit('nofile', 200);
    const descriptors = countDescriptors();
    let failures = 0;
    for (let free = 2; free < 12; free++) {
      const freeAll = leaveDescriptors(free);
      try {
        assertGood(forked(() => {}));
      } catch (error) {
        assert.equal(codeOf(error), 'EMFILE');
        failures++;
      }
      freeAll();
      assert.equal(countDescriptors(), descriptors, `with ${free} left`);
      assert.equal(children().size, 0, `with ${free} left`);
    }
    assert.ok(failures < 10);
  },

  async 'a child that cannot be set up is an error of start()'() {
    if (!have('prlimit')) return; // this limit can only be set from outside
    limit('nofile', 200);
    const target = (): void => process.exit(6);
    // Finds out what the kernel can do, and opens what stays open.
    const first = new Process({ target });
    first.start();
    await first.join();
    const descriptors = countDescriptors();
    const errors: NodeJS.ErrnoException[] = [];
    let successes = 0;
    for (let free = 0; free < 12; free++) {
      const freeAll = leaveDescriptors(free);
      const child = new Process({ target });
      try {
        child.start();
        successes++;
      } catch (error) {
        errors.push(error as Error);
        assert.equal(child.pid, null);
        assert.equal(child.isAlive(), false);
      }
      freeAll();
      // An object whose start has failed can be started.
      if (child.pid === null) child.start();
      assert.equal(await child.join(), 6, `with ${free} left`);
      assert.equal(countDescriptors(), descriptors, `with ${free} left`);
      assert.equal(children().size, 0, `with ${free} left`);
    }
    assert.ok(successes > 0);
    for (const error of errors) {
      assert.equal(error.code, 'EMFILE');
      assert.equal(error.errno, -constants.errno.EMFILE);
      assert.equal(error.message, `${error.syscall} EMFILE`);
    }
    // In the parent it is the pipe to the child that fails.
    const syscalls = new Set(errors.map(({ syscall }) => syscall));
    assert.ok(syscalls.delete('pipe') && syscalls.size > 0);
  },

  async 'no processes left: fork() fails and works again'() {
    if (process.getuid!() !== 0 || !have('prlimit')) return; // root alone has no such limit
    // The limit of a process that can start no other is lifted by one of the same user.
    const helper = spawn('sh', { stdio: ['pipe', 'pipe', 'inherit'], uid: 65_534 });
    const before = softLimit('nproc');
    const setLimit = async (processes: string): Promise<void> => {
      helper.stdin.write(`prlimit --pid ${process.pid} --nproc=${processes}: && echo done\n`);
      await once(helper.stdout, 'data');
    };
    let isOver = false;
    registerAtFork({ afterInParent: () => (isOver = true) });
    process.setuid!(65_534);
    await setLimit('1');
    const descriptors = countLowDescriptors();
    assert.throws(() => fork(), failure('fork', 'EAGAIN'));
    assert.equal(isOver, true);
    const child = new Process();
    assert.throws(() => child.start(), failure('fork', 'EAGAIN'));
    await setLimit('100');
    const pids: number[] = [];
    let error: unknown;
    try {
      while (pids.length < 100) pids.push(forked(pause));
    } catch (caught) {
      error = caught;
    }
    // A child needs threads, too, and may be the one that gets none.
    assert.match(String(error), /^Error: (fork|pthread_create) EAGAIN$/);
    assert.equal(codeOf(error), 'EAGAIN');
    assert.deepEqual(new Set(children().keys()), new Set([helper.pid, ...pids]));
    for (const pid of pids) {
      kill(pid, 'SIGKILL');
      waitpid(pid);
    }
    assert.ok(pids.length > 0);
    await setLimit(before);
    assertGood(forked(() => {}));
    child.start();
    assert.equal(await child.join(), 0);
    assert.deepEqual([...children().keys()], [helper.pid]);
    assert.equal(countLowDescriptors(), descriptors);
    helper.stdin.end();
    await once(helper, 'exit');
  },
};
