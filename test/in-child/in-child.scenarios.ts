import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import {
  activeChildren,
  currentProcess,
  inChild,
  parentProcess,
  Pipe,
  Process,
  ProcessError,
  WorkerLostError,
} from 'truefork';
import { _exit, fork, kill } from 'truefork/posix';
import { children, countDescriptors, isRunning, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const MB = 1_000_000;

/** Longer than any test may take: who does this has to be ended. */
function hang(): Promise<void> {
  return sleep(600_000);
}

async function caught(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it was not rejected');
}

async function assertLost(
  promise: Promise<unknown>,
  exitcode: number,
  signal: NodeJS.Signals | null,
): Promise<void> {
  const error = (await caught(promise)) as WorkerLostError;
  assert.ok(error instanceof WorkerLostError && error instanceof ProcessError);
  assert.equal(error.name, 'WorkerLostError');
  assert.equal(error.code, 'ERR_TRUEFORK_WORKER_LOST');
  assert.deepEqual([error.exitcode, error.signal], [exitcode, signal]);
  assert.ok(error.pid > 0 && error.pid !== process.pid && !isRunning(error.pid));
  const end = signal ?? `exit code ${exitcode}`;
  assert.equal(error.message, `process ${error.pid} ended (${end}) before it gave a result`);
}

export const scenarios: Scenarios = {
  async 'a value'() {
    const { pid } = process;
    const big = { list: [1, 2, 3] };
    const fn = (n: number, text: string): object => ({ n, text, big, pid: process.pid });
    const value = (await inChild(fn, 1, 'two')) as { pid: number };
    assert.deepEqual(value, { n: 1, text: 'two', big, pid: value.pid });
    assert.notEqual(value.pid, pid);
    assert.equal(await inChild(() => {}), undefined);
    assert.equal(await inChild(() => null), null);
    assert.equal(await inChild(() => 'text'), 'text');
    assert.equal(await inChild(() => false), false);
    assert.deepEqual(await inChild(() => Buffer.from('bytes')), Buffer.from('bytes'));
    assert.deepEqual(
      await inChild(() => new Map([[1, new Set(['x'])]])),
      new Map([[1, new Set(['x'])]]),
    );
  },

  async 'a promise of a value'() {
    assert.equal(await inChild(async (n: number) => sleep(1).then(() => n + 1), 41), 42);
    assert.equal(await inChild(() => new Promise((resolve) => setImmediate(resolve, 'x'))), 'x');
    // oxlint-disable-next-line unicorn/no-thenable -- whatever await takes
    const value: unknown = await inChild(() => ({ then: (done: (n: number) => void) => done(7) }));
    assert.equal(value, 7);
  },

  async 'arguments need not be clonable'() {
    const secret = Symbol('secret');
    const seen = await inChild(
      (symbol, fn) => [symbol === secret, fn()],
      secret,
      () => 'called',
    );
    assert.deepEqual(seen, [true, 'called']);
  },

  async 'the child sees the state at the call and changes its own'() {
    let state = 1;
    const result = inChild(async () => (await sleep(1), ++state));
    state = 10;
    assert.equal(await result, 2);
    assert.equal(state, 10);
  },

  async 'an error with all that belongs to it'() {
    class ConfigError extends RangeError {
      override name = 'ConfigError';
      path = '/some/where';
      details = { line: 3, tags: new Set(['a']) };
    }
    const cause = Object.assign(new TypeError('the cause'), { code: 'E_CAUSE' });
    const error = (await caught(
      inChild(function parseConfig() {
        throw new ConfigError('it is wrong', { cause });
      }),
    )) as ConfigError;
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'ConfigError');
    assert.equal(error.message, 'it is wrong');
    assert.match(error.stack!, /it is wrong\n[^]* at parseConfig /);
    assert.equal(error.path, '/some/where');
    assert.deepEqual(error.details, { line: 3, tags: new Set(['a']) });
    const received = error.cause as Error & { code: string };
    assert.ok(received instanceof TypeError);
    assert.equal(received.message, 'the cause');
    assert.equal(received.code, 'E_CAUSE');
  },

  async 'a rejection, early and late'() {
    await assert.rejects(
      inChild(() => Promise.reject(new TypeError('early'))),
      {
        name: 'TypeError',
        message: 'early',
      },
    );
    await assert.rejects(
      inChild(async () => {
        await sleep(1);
        throw new SyntaxError('late');
      }),
      SyntaxError,
    );
  },

  async 'what is thrown need not be an error'() {
    for (const thing of ['text', 42, null, undefined, { an: 'object' }, ['list']]) {
      assert.deepEqual(await caught(inChild(() => Promise.reject(thing))), thing);
    }
  },

  async "Node's own errors"() {
    const error = await caught(inChild(() => openSync('/no/such/file', 'r')));
    const { code, errno, syscall, path } = error as NodeJS.ErrnoException;
    assert.deepEqual([code, errno, syscall, path], ['ENOENT', -2, 'open', '/no/such/file']);
    await assert.rejects(
      inChild(() => Buffer.alloc(-1)),
      { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' },
    );
    await assert.rejects(
      inChild(() => AbortSignal.abort().throwIfAborted()),
      { name: 'AbortError', message: 'This operation was aborted' },
    );
    const assertion = { name: 'AssertionError', code: 'ERR_ASSERTION', actual: 1, expected: 2 };
    await assert.rejects(
      inChild(() => assert.equal(1, 2)),
      assertion,
    );
  },

  async 'errors of this package'() {
    const [a] = Pipe();
    a.close();
    await assert.rejects(
      inChild(() => a.recvSync()),
      { name: 'ProcessError', code: 'ERR_TRUEFORK_CLOSED', message: 'handle is closed' },
    );
  },

  'several errors in one, each of which knows of it': {
    async run() {
      const error = (await caught(
        inChild(() => {
          const parts = ['a', 'b', 'c', 'd', 'e', 'f'].map((message) => new Error(message));
          const all = new AggregateError(parts, 'all');
          for (const part of parts) part.cause = all;
          throw all;
        }),
      )) as AggregateError;
      assert.equal(error.message, 'all');
      assert.equal(error.errors.map(({ message }: Error) => message).join(''), 'abcdef');
    },
    // Were each followed to the depth of all, it would never end.
    options: { timeout: 20_000 },
  },

  async 'a result that cannot be cloned'() {
    const things: [unknown, RegExp][] = [
      [() => 'a function', /'a function' could not be cloned/],
      [{ deep: [Symbol('culprit')] }, /Symbol\(culprit\) could not be cloned/],
      [new URL('http://culprit.example'), /#<URL> could not be cloned/],
      [new WeakMap(), /WeakMap> could not be cloned/],
      [[Promise.resolve()], /Promise> could not be cloned/],
    ];
    for (const [thing, message] of things) {
      const error = (await caught(inChild(() => ({ thing })))) as ProcessError;
      assert.equal(error.code, 'ERR_TRUEFORK_NOT_CLONABLE');
      assert.match(error.message, message);
      assert.equal(error.name, 'ProcessError');
    }
    assert.equal(children().size, 0);
  },

  async 'what cannot be cloned is a ProcessError'() {
    const error = await caught(inChild(() => Symbol('x')));
    assert.ok(error instanceof ProcessError);
  },

  async 'an error with properties that cannot be cloned'() {
    const error = (await caught(
      inChild(() => {
        throw Object.assign(new Error('x'), { fn: () => 1, code: 'E_X' });
      }),
    )) as Error & { fn: unknown; code: string };
    assert.equal(error.code, 'E_X');
    assert.equal(error.fn, '[Function: fn]');
  },

  async 'a huge result'() {
    const size = 200 * MB;
    const pattern = (): Buffer => Buffer.alloc(size, '0123456789abcdefg');
    assert.ok((await inChild(pattern)).equals(pattern()));
  },

  async 'process.exit() in the function'() {
    await assertLost(
      inChild(() => process.exit(3)),
      3,
      null,
    );
    await assertLost(
      inChild(() => process.exit()),
      0,
      null,
    );
    await assertLost(
      inChild(() => _exit(255)),
      255,
      null,
    );
    await assertLost(
      inChild(async () => {
        await sleep(1);
        process.exit(4);
      }),
      4,
      null,
    );
  },

  'a child that waits for what can never come': {
    async run() {
      await assertLost(
        inChild(() => new Promise(() => {})),
        13,
        null,
      );
    },
    stderr: /^Process InChild-1 ends with exit code 13: .*\n$/,
  },

  async 'a child that is killed'() {
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const) {
      const result = inChild(hang);
      kill([...children().keys()][0]!, signal);
      await assertLost(result, { SIGKILL: -9, SIGTERM: -15, SIGSEGV: -11 }[signal], signal);
    }
    await assertLost(
      inChild(() => (kill(process.pid, 'SIGKILL'), hang())),
      -9,
      'SIGKILL',
    );
  },

  async 'a child that is killed while it sends the result'() {
    const [reader, writer] = Pipe(false);
    const result = inChild(() => {
      writer.sendSync('now');
      return Buffer.alloc(200 * MB, 1);
    });
    const lost = assertLost(result, -9, 'SIGKILL');
    const child = [...children().keys()][0]!;
    assert.equal(await reader.recv(), 'now');
    // The parent does not read while this blocks, so the child cannot come to its end.
    spawnSync('sh', ['-c', `until grep -q 'State:.S' /proc/${child}/status; do :; done`]);
    kill(child, 'SIGKILL');
    await lost;
  },

  'an exception elsewhere in the child': {
    async run() {
      const result = inChild(() => {
        setImmediate(() => {
          throw new Error('elsewhere');
        });
        return hang();
      });
      await assertLost(result, 1, null);
    },
    stderr: /Error: elsewhere\n/,
  },

  'what the child prints is there before the result': {
    async run() {
      console.log(await inChild(() => (console.log('the child'), 'the result')));
    },
    stdout: 'the child\nthe result\n',
  },

  'the child ends when the function has settled, with its exit listeners': {
    async run() {
      process.on('exit', () => console.log("the parent's"));
      const value = await inChild(() => {
        process.on('exit', () => console.log("the child's"));
        setInterval(() => {}, 1000);
        return 1;
      });
      assert.equal(value, 1);
      assert.equal(children().size, 0);
    },
    stdout: "the child's\nthe parent's\n",
  },

  async 'many at once, each its own result'() {
    const results = await Promise.all(Array.from({ length: 60 }, (_, i) => inChild(() => i * i)));
    assert.deepEqual(
      results,
      results.map((_, i) => i * i),
    );
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        inChild(async () => {
          await sleep(i % 5);
          if (i % 4 === 1) throw new Error(`${i}`);
          if (i % 4 === 2) process.exit(i);
          if (i % 4 === 3) kill(process.pid, 'SIGKILL');
          return i;
        }),
      ),
    );
    for (const [i, outcome] of outcomes.entries()) {
      assert.equal(outcome.status, i % 4 === 0 ? 'fulfilled' : 'rejected');
      if (outcome.status === 'fulfilled') {
        assert.equal(outcome.value, i);
        continue;
      }
      const { message, exitcode } = outcome.reason as WorkerLostError;
      if (i % 4 === 1) assert.equal(message, `${i}`);
      else assert.equal(exitcode, i % 4 === 2 ? i : -9);
    }
    assert.deepEqual(activeChildren(), []);
    assert.equal(children().size, 0);
  },

  async 'in a child of a child'() {
    const depths = (depth: number): Promise<number[]> =>
      inChild(async () => (depth === 0 ? [0] : [depth, ...(await depths(depth - 1))]));
    assert.deepEqual(await depths(3), [3, 2, 1, 0]);
    const sum = await inChild(async () => {
      const parts = await Promise.all([1, 2, 3].map((n) => inChild(() => n)));
      return parts.reduce((a, b) => a + b);
    });
    assert.equal(sum, 6);
    await assert.rejects(
      inChild(() =>
        inChild(() => {
          throw new RangeError('from below');
        }),
      ),
      { name: 'RangeError', message: 'from below' },
    );
    await assert.rejects(
      inChild(() => inChild(() => process.exit(3))),
      { name: 'WorkerLostError', exitcode: 3 },
    );
  },

  async 'an end in the child that a grandchild outlives'() {
    const [reader, writer] = Pipe();
    const result = inChild(() => {
      const grandchild = fork();
      if (grandchild === 0) {
        assert.equal(writer.recvSync(), 'end');
        _exit(0);
      }
      return process.exit(6);
    });
    // The end of the child is known though the grandchild lives.
    await assertLost(result, 6, null);
    reader.sendSync('end');
  },

  async 'the child is an ordinary process'() {
    const seen = await inChild(async () => {
      const { name, daemon } = currentProcess();
      const child = new Process({ target: () => process.exit(5) });
      child.start();
      return { name, daemon, parent: parentProcess()!.pid, exitcode: await child.join() };
    });
    assert.match(seen.name, /-1$/);
    assert.deepEqual([seen.daemon, seen.parent, seen.exitcode], [false, process.pid, 5]);
  },

  async 'a daemon has no children'() {
    const daemon = new Process({
      daemon: true,
      async target() {
        await assert.rejects(
          inChild(() => 1),
          { name: 'ProcessError', code: 'ERR_TRUEFORK_DAEMON' },
        );
      },
    });
    daemon.start();
    assert.equal(await daemon.join(), 0);
  },

  async 'what is not a function'() {
    for (const wrong of [undefined, 'text', {}]) {
      await assert.rejects(inChild(wrong as never), {
        name: 'TypeError',
        code: 'ERR_INVALID_ARG_TYPE',
      });
    }
  },

  async 'nothing is left behind'() {
    await inChild(() => 1);
    const descriptors = countDescriptors();
    for (let i = 0; i < 50; i++) {
      await inChild(() => i);
      await caught(inChild(() => Promise.reject(new Error('x'))));
      await caught(inChild(() => process.exit(1)));
      await caught(inChild(() => Symbol('x')));
    }
    assert.equal(countDescriptors(), descriptors);
    assert.equal(children().size, 0);
  },

  async 'a fork that fails is a rejection'() {
    await inChild(() => 1);
    const descriptors = countDescriptors();
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=100:']).status !== 0) return;
    for (let free = 0; free < 12; free++) {
      const plugs: number[] = [];
      try {
        for (;;) plugs.push(openSync('/dev/null', 'r'));
      } catch {
        // there are no more
      }
      for (const fd of plugs.splice(0, free)) closeSync(fd);
      const result = await inChild(() => 'done').catch(
        (error: NodeJS.ErrnoException) => error.code,
      );
      assert.match(String(result), /^(EMFILE|done)$/, `with ${free} left`);
      for (const fd of plugs) closeSync(fd);
      assert.equal(countDescriptors(), descriptors, `with ${free} left`);
      assert.equal(children().size, 0);
    }
    assert.equal(await inChild(() => 'done'), 'done');
  },

  async 'the loop of the parent goes on meanwhile'() {
    let ticks = 0;
    const interval = setInterval(() => ticks++, 1);
    const [reader, writer] = Pipe(false);
    const result = inChild(() => reader.recvSync());
    await until(() => ticks >= 3);
    writer.sendSync('enough');
    assert.equal(await result, 'enough');
    clearInterval(interval);
  },

  'the parent does not wait for it when it exits': {
    async run() {
      void inChild(hang);
      process.exit(5);
    },
    code: 5,
  },

  async 'the child does not outlive a parent that is killed'() {
    const [reader, writer] = Pipe(false);
    const parent = new Process({
      target: () =>
        inChild(() => {
          writer.sendSync(process.pid);
          return hang();
        }),
    });
    parent.start();
    const pid = (await reader.recv()) as number;
    assert.equal(isRunning(pid), true);
    parent.kill();
    assert.equal(await parent.join(), -9);
    await until(() => !isRunning(pid));
  },

  'the child ends, whatever it has to say, when the parent is gone': {
    async run() {
      const [reader, writer] = Pipe(false);
      const parent = new Process({
        target: () =>
          inChild(async () => {
            process.on('SIGTERM', () => {}); // which it gets then
            writer.sendSync(process.pid);
            while (parentProcess()!.isAlive()) await sleep(1);
            return Buffer.alloc(MB);
          }),
      });
      parent.start();
      const pid = (await reader.recv()) as number;
      parent.kill();
      await parent.join();
      await until(() => !isRunning(pid));
    },
    stderr: /^$|EPIPE/,
  },
};
