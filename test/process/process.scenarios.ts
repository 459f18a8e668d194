import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { inspect } from 'node:util';
import {
  activeChildren,
  Connection,
  currentProcess,
  Event,
  ParentProcess,
  parentProcess,
  Pipe,
  Process,
  type ProcessOptions,
  reap,
} from 'truefork';
import { dup2, getppid, kill, read, waitpid } from 'truefork/posix';
import { children, isRunning, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

function started(options: ProcessOptions | (() => unknown)): Process {
  const child = new Process(typeof options === 'function' ? { target: options } : options);
  child.start();
  return child;
}

/** Until it is killed, and not longer than the test. */
function hang(): Promise<void> {
  return sleep(100_000);
}

async function exitcodeOf(target: () => unknown): Promise<number | null | undefined> {
  return started(target).join();
}

function misuse(code: string, message: string): { name: string; code: string; message: string } {
  return { name: 'ProcessError', code: `ERR_TRUEFORK_${code}`, message };
}

export const scenarios: Scenarios = {
  async 'a life, from its making to its end'() {
    const child = new Process({ target: hang, name: 'Ada' });
    assert.equal(child.pid, null);
    assert.equal(child.exitcode, null);
    assert.equal(child.isAlive(), false);
    assert.equal(child.daemon, false);
    assert.equal(child.resourceUsage, null);
    assert.deepEqual(activeChildren(), []);
    child.start();
    assert.equal(typeof child.pid, 'number');
    assert.equal(child.isAlive(), true);
    assert.equal(child.exitcode, null);
    assert.equal(child.exitSignal, null);
    assert.deepEqual(activeChildren(), [child]);
    assert.equal(await child.join(0), null);
    assert.equal(await child.join(-1), null);
    assert.equal(child.joinSync(20), null);
    child.terminate();
    assert.equal(await child.join(), -15);
    assert.equal(child.exitcode, -15);
    assert.equal(child.exitSignal, 'SIGTERM');
    assert.equal(child.isAlive(), false);
    assert.deepEqual(activeChildren(), []);
    assert.ok(child.resourceUsage!.maxRSS > 1000);
    assert.equal(await child.join(), -15);
    child.terminate();
    child.kill();
    assert.equal(children().size, 0);
  },

  async 'arguments and closures are simply there'() {
    const big = Array.from({ length: 1000 }, (_, i) => ({ i }));
    const secret = Symbol('not clonable');
    const child = new Process({
      target(a, b, fn) {
        assert.equal(a, 1);
        assert.equal(b, secret);
        assert.equal((fn as () => number)(), 1000);
      },
      args: [1, secret, () => big.length],
    });
    child.start();
    assert.equal(await child.join(), 0);
  },

  async 'the child sees the state at the call'() {
    let state = 'at the call';
    const child = started(() => assert.equal(state, 'at the call'));
    state = 'after it';
    assert.equal(await child.join(), 0);
    assert.equal(state, 'after it');
  },

  'exit codes': {
    async run() {
      assert.equal(await exitcodeOf(() => {}), 0);
      assert.equal(await exitcodeOf(() => 'whatever it returns'), 0);
      assert.equal(await exitcodeOf(async () => sleep(1)), 0);
      assert.equal(await exitcodeOf(() => process.exit()), 0);
      assert.equal(await exitcodeOf(() => process.exit(8)), 8);
      assert.equal(await exitcodeOf(() => process.exit(263)), 7);
      assert.equal(await exitcodeOf(() => process.exit(-1)), 255);
      assert.equal(await exitcodeOf(() => (process.exitCode = 5)), 5);
      assert.equal(await exitcodeOf(() => new Promise(() => {})), 13);
      assert.equal(
        await exitcodeOf(async () => {
          await sleep(1);
          process.exit(9);
        }),
        9,
      );
      // Like Node: what is decided in an 'exit' listener counts.
      assert.equal(
        await exitcodeOf(() => {
          process.on('exit', () => (process.exitCode = 21));
        }),
        21,
      );
    },
    stderr: /^Process Process-\d+ ends with exit code 13: .*\n$/,
  },

  async 'exit codes of those that were killed'() {
    // Node ignores SIGPIPE and SIGXFSZ.
    const fatal: NodeJS.Signals[] = [
      'SIGHUP',
      'SIGINT',
      'SIGQUIT',
      'SIGILL',
      'SIGTRAP',
      'SIGABRT',
      'SIGBUS',
      'SIGFPE',
      'SIGKILL',
      'SIGUSR1',
      'SIGSEGV',
      'SIGUSR2',
      'SIGALRM',
      'SIGTERM',
      'SIGXCPU',
      'SIGVTALRM',
      'SIGSYS',
    ];
    const { constants } = await import('node:os');
    for (const signal of fatal) {
      const child = started(hang);
      kill(child.pid!, signal);
      assert.equal(await child.join(), -constants.signals[signal], signal);
      assert.equal(child.exitSignal, signal);
    }
  },

  'process.abort()': {
    async run() {
      const child = started(() => process.abort());
      assert.equal(await child.join(), -6);
      assert.equal(child.exitSignal, 'SIGABRT');
    },
    // Node shows where it was.
    stderr: /JavaScript stack trace/,
  },

  'an error that the target throws': {
    async run() {
      const child = started({
        name: 'Q',
        target: () => {
          throw new TypeError('thrown', { cause: new Error('the cause') });
        },
      });
      assert.equal(await child.join(), 1);
    },
    stderr: /^Process Q:\nTypeError: thrown\n {4}at target [^]*\[cause\]: Error: the cause\n[^]*$/,
  },

  'an error is printed once': {
    async run() {
      const child = started(() => Promise.reject(new Error('rejected')));
      assert.equal(await child.join(), 1);
    },
    stderr: /^(?=[^]*rejected)(?![^]*rejected[^]*rejected)/,
  },

  'what is thrown need not be an error': {
    async run() {
      assert.equal(
        await exitcodeOf(() => {
          // oxlint-disable-next-line typescript/only-throw-error -- as the test says
          throw 'a string';
        }),
        1,
      );
    },
    stderr: "Process Process-1:\n'a string'\n",
  },

  'an uncaught exception in a callback': {
    async run() {
      const child = started(() => {
        setTimeout(() => {
          throw new RangeError('in a timer');
        }, 1);
        return hang();
      });
      assert.equal(await child.join(), 1);
    },
    stderr: /RangeError: in a timer\n/,
  },

  'an unhandled rejection': {
    async run() {
      const child = started(() => {
        void Promise.reject(new RangeError('nobody cares'));
        return hang();
      });
      assert.equal(await child.join(), 1);
    },
    stderr: /RangeError: nobody cares\n/,
  },

  "the child's own handlers": {
    async run() {
      const child = started(() => {
        process.on('uncaughtException', (error) => {
          console.log(`caught: ${error.message}`);
        });
        setTimeout(() => {
          throw new Error('in a timer');
        }, 1);
        process.on('beforeExit', () => console.log('before exit'));
        process.on('exit', (code) => console.log(`exit ${code}`));
      });
      assert.equal(await child.join(), 0);
    },
    stdout: 'caught: in a timer\nbefore exit\nexit 0\n',
  },

  "'beforeExit' may find more to do": {
    async run() {
      const child = started(() => {
        let times = 0;
        process.on('beforeExit', () => {
          console.log(`before exit ${++times}`);
          if (times === 1) setTimeout(() => console.log('timer'), 1);
          if (times === 2)
            void Promise.resolve().then(() => setImmediate(() => console.log('job')));
        });
      });
      assert.equal(await child.join(), 0);
    },
    stdout: 'before exit 1\ntimer\nbefore exit 2\njob\nbefore exit 3\n',
  },

  "'exit' handlers: the child's run in the child, the parent's in the parent": {
    async run() {
      process.on('exit', () => console.log("the parent's"));
      process.prependListener('exit', () => console.log("the parent's first"));
      for (const end of [() => {}, () => process.exit(), () => Promise.reject(new Error('x'))]) {
        const child = started(() => {
          process.on('exit', () => console.log("the child's"));
          return end();
        });
        await child.join();
      }
      const killed = started(() => {
        process.on('exit', () => console.log('never'));
        return hang();
      });
      killed.kill();
      await killed.join();
    },
    stdout: "the child's\n".repeat(3) + "the parent's first\nthe parent's\n",
    stderr: /Error: x/,
  },

  async 'subclasses override run()'() {
    class Worker extends Process {
      readonly #code: number;

      constructor(code: number) {
        super();
        this.#code = code;
      }

      override async run(): Promise<void> {
        await sleep(1);
        assert.equal(currentProcess(), this);
        process.exitCode = this.#code;
      }
    }
    const worker = new Worker(33);
    assert.equal(worker.name, 'Worker-1');
    worker.start();
    assert.equal(await worker.join(), 33);
  },

  async 'names, of children and of their children'() {
    assert.equal(new Process().name, 'Process-1');
    const second = new Process({
      target: async () => {
        assert.equal(new Process().name, 'Process-2:1');
        const child = started(() => assert.equal(currentProcess().name, 'Process-2:2'));
        process.exitCode = (await child.join()) ?? 99;
      },
    });
    assert.equal(second.name, 'Process-2');
    second.start();
    assert.equal(await second.join(), 0);
    const named = new Process({ name: 'Ada' });
    named.name = 'Grace';
    assert.equal(named.name, 'Grace');
  },

  async 'who is who'() {
    const main = currentProcess();
    assert.equal(main.name, 'MainProcess');
    assert.equal(main.pid, process.pid);
    assert.equal(main.isAlive(), true);
    assert.equal(main.exitcode, null);
    assert.equal(main.daemon, false);
    assert.equal(main.authkey.length, 32);
    main.close();
    assert.equal(main.isAlive(), true);
    assert.equal(parentProcess(), null);
    const { pid } = process;
    const child: Process = new Process({
      authkey: Buffer.from('secret'),
      target: async (): Promise<void> => {
        const me = currentProcess();
        assert.equal(me, child);
        assert.equal(me.pid, process.pid);
        assert.notEqual(me.pid, pid);
        assert.equal(me.isAlive(), true);
        assert.equal(me.authkey.toString(), 'secret');
        assert.equal(new Process().authkey.toString(), 'secret');
        assert.deepEqual(activeChildren(), []);
        const parent = parentProcess()!;
        assert.ok(parent instanceof ParentProcess);
        assert.equal(parent.pid, pid);
        assert.equal(parent.name, 'MainProcess');
        assert.equal(parent.isAlive(), true);
        assert.equal(getppid(), pid);
        assert.equal(process.ppid, pid);
        assert.equal(await parent.join(5), false);
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
  },

  'a process in words': {
    async run() {
      const words = (object: unknown): string => inspect(object).replaceAll(/\d{2,}/g, 'N');
      assert.equal(words(currentProcess()), "<MainProcess name='MainProcess' pid=N started>");
      const child = new Process({ target: hang, daemon: true, authkey: Buffer.from('secret') });
      assert.equal(words(child), "<Process name='Process-1' parent=N initial daemon>");
      child.start();
      assert.equal(words(child), "<Process name='Process-1' pid=N parent=N started daemon>");
      child.kill();
      await child.join();
      assert.equal(
        String(child).replaceAll(/\d{2,}/g, 'N'),
        "<Process name='Process-1' pid=N parent=N stopped exitcode=-SIGKILL daemon>",
      );
      child.close();
      assert.equal(words(child), "<Process name='Process-1' closed>");
    },
  },

  async 'misuse is an error with a code'() {
    const child = new Process({ target: hang });
    assert.throws(() => child.joinSync(), misuse('NOT_STARTED', 'can only join a started process'));
    assert.throws(() => child.terminate(), { code: 'ERR_TRUEFORK_NOT_STARTED' });
    assert.throws(() => child.sentinel, { code: 'ERR_TRUEFORK_NOT_STARTED' });
    await assert.rejects(child.join(), { code: 'ERR_TRUEFORK_NOT_STARTED' });
    child.start();
    assert.throws(() => child.start(), misuse('ALREADY_STARTED', 'cannot start a process twice'));
    assert.throws(
      () => {
        child.daemon = true;
      },
      misuse('ALREADY_STARTED', 'process has already started'),
    );
    assert.throws(
      () => child.close(),
      misuse(
        'STILL_RUNNING',
        'Cannot close a process while it is still running. You should first call join() or terminate().',
      ),
    );
    child.kill();
    await child.join();
    assert.throws(() => child.start(), misuse('ALREADY_STARTED', 'cannot start a process twice'));
    child.close();
    child.close();
    const closed = misuse('PROCESS_CLOSED', 'process object is closed');
    assert.throws(() => child.pid, closed);
    assert.throws(() => child.exitcode, closed);
    assert.throws(() => child.isAlive(), closed);
    assert.throws(() => child.start(), closed);
    assert.throws(() => child.terminate(), closed);
    await assert.rejects(child.join(), closed);
    assert.equal(child.name, 'Process-1');
    assert.equal(child.daemon, false);
    const unstarted = new Process();
    unstarted.close();
    assert.throws(() => unstarted.start(), closed);
    const main = currentProcess();
    assert.throws(() => main.start(), misuse('ALREADY_STARTED', 'cannot start a process twice'));
    assert.throws(() => main.joinSync(), misuse('NOT_A_CHILD', 'can only join a child process'));
    assert.throws(() => main.kill(), { code: 'ERR_TRUEFORK_NOT_A_CHILD' });
  },

  async 'arguments are checked'() {
    const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    const make = (options: object): Process => new Process(options);
    assert.throws(() => make({ target: 'a string' }), invalid);
    assert.throws(() => make({ args: 'not an array' }), invalid);
    assert.throws(() => make({ name: 1 }), invalid);
    assert.throws(() => make({ daemon: 1 }), invalid);
    assert.throws(() => make({ authkey: 'a string' }), invalid);
    assert.throws(() => make({ inherit: 1 }), invalid);
    assert.throws(() => make({ inherit: ['x'] }).start(), invalid);
    assert.throws(() => make({ inherit: [-1] }).start(), { code: 'ERR_OUT_OF_RANGE' });
    const child = started(hang);
    await assert.rejects(child.join(Number.NaN), invalid);
    await assert.rejects(child.join({ timeout: '1' as unknown as number }), invalid);
    await assert.rejects(child.join({ signal: {} as AbortSignal }), invalid);
    child.kill();
    await child.join();
  },

  async 'only its parent has to do with a process'() {
    const sibling = started(hang);
    const unstarted = new Process({ target: hang });
    const target = (): void => {
      assert.throws(
        () => sibling.joinSync(),
        misuse('NOT_A_CHILD', 'can only join a child process'),
      );
      assert.throws(
        () => sibling.isAlive(),
        misuse('NOT_A_CHILD', 'can only test a child process'),
      );
      assert.throws(() => sibling.kill(), { code: 'ERR_TRUEFORK_NOT_A_CHILD' });
      assert.equal(sibling.exitcode, null);
      assert.throws(
        () => unstarted.start(),
        misuse('NOT_THE_CREATOR', 'can only start a process object created by current process'),
      );
      assert.throws(() => child.joinSync(), misuse('NOT_A_CHILD', 'can only join a child process'));
      assert.throws(() => child.start(), { code: 'ERR_TRUEFORK_ALREADY_STARTED' });
      assert.match(String(sibling), /unknown/);
      sibling.close();
    };
    const child = new Process({ target });
    child.start();
    assert.equal(await child.join(), 0);
    assert.equal(sibling.isAlive(), true);
    sibling.kill();
    assert.equal(await sibling.join(), -9);
  },

  async 'daemons have no children'() {
    const daemon = started({
      daemon: true,
      target: () => {
        assert.equal(currentProcess().daemon, true);
        assert.equal(new Process().daemon, true);
        assert.throws(
          () => started(() => {}),
          misuse('DAEMON', 'daemonic processes are not allowed to have children'),
        );
      },
    });
    assert.equal(await daemon.join(), 0);
  },

  async 'join() with timeouts and signals'() {
    const child = started(hang);
    const before = performance.now();
    assert.equal(await child.join({ timeout: 30 }), null);
    assert.ok(performance.now() - before >= 29);
    assert.equal(child.joinSync({ timeout: 30 }), null);
    assert.ok(performance.now() - before >= 58);
    const reason = new Error('the reason');
    const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: reason };
    await assert.rejects(child.join({ signal: AbortSignal.abort(reason) }), aborted);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 5);
    await assert.rejects(child.join({ signal: controller.signal }), aborted);
    // Many wait for the same.
    const joins = [child.join(), child.join({ timeout: 60_000 }), child.join()];
    child.kill();
    assert.deepEqual(await Promise.all(joins), [-9, -9, -9]);
    assert.equal(child.joinSync(), -9);
  },

  async 'whoever notices the end first, all who wait are told'() {
    const child = started(hang);
    const join = child.join();
    child.kill();
    while (child.isAlive());
    assert.equal(await join, -9);
  },

  async 'joinSync() blocks until the end'() {
    const child = started(() => sleep(20).then(() => process.exit(3)));
    assert.equal(child.joinSync(), 3);
  },

  async 'the sentinel is ready when the process has ended'() {
    /** poll(2), which a Connection uses. */
    const isReady = (fd: number): boolean => {
      using connection = new Connection(dup2(fd, 100));
      return connection.pollSync();
    };
    const goOn = new Event();
    const child = started(() => goOn.wait());
    const { sentinel } = child;
    assert.equal(child.sentinel, sentinel);
    assert.equal(isReady(sentinel), false);
    goOn.set();
    assert.equal(await child.join(), 0);
    assert.equal(isReady(sentinel), true);
    child.close();
    assert.throws(() => read(sentinel, Buffer.alloc(1)), { code: 'EBADF' });
    const other = started(() => {});
    await other.join();
    assert.equal(isReady(other.sentinel), true);
    other.close();
  },

  async 'reap() and activeChildren()'() {
    const long = started(hang);
    // Each outlives the start() of the last: that would reap it.
    const short = Array.from({ length: 3 }, () => started(() => sleep(300)));
    const pids = short.map(({ pid }) => pid!);
    // All are zombies until somebody asks.
    await until(() => pids.every((pid) => !isRunning(pid)));
    assert.equal(children().size, 4);
    assert.deepEqual(new Set(reap()), new Set(short));
    assert.deepEqual(reap(), []);
    assert.deepEqual([...children().keys()], [long.pid]);
    assert.deepEqual(activeChildren(), [long]);
    // start() reaps as well.
    const another = started(() => {});
    await until(() => !isRunning(another.pid!));
    const last = started(() => {});
    assert.equal(children().has(another.pid!), false);
    long.kill();
    await Promise.all([long.join(), last.join()]);
  },

  async 'children of others are left alone'() {
    const { spawn } = await import('node:child_process');
    const other = spawn('true');
    const ended = once(other, 'exit');
    const child = started(() => {});
    reap();
    assert.equal(await child.join(), 0);
    assert.deepEqual(await ended, [0, null]);
  },

  async 'a process that somebody else has reaped has ended, nobody knows how'() {
    for (const [index, ask] of [
      (child: Process) => child.join(),
      (child: Process) => child.joinSync(),
      (child: Process) => child.exitcode,
    ].entries()) {
      const child = started(() => {});
      const status = waitpid(child.pid!);
      assert.equal(status!.exitcode, 0);
      assert.equal(await ask(child), undefined, String(index));
      assert.equal(child.isAlive(), false);
      assert.equal(child.exitcode, undefined);
      assert.match(String(child), /stopped exitcode=unknown/);
      child.kill();
      child.close();
    }
    const [gate, opener] = Pipe(false);
    const child = started(() => gate.recvSync());
    const join = child.join();
    opener.sendSync('ends only now');
    waitpid(child.pid!);
    assert.equal(await join, undefined);
    assert.deepEqual(activeChildren(), []);
  },

  async 'asynchronous context goes on in the child'() {
    const storage = new AsyncLocalStorage<string>();
    const child = storage.run('the request', () =>
      started(async () => {
        assert.equal(storage.getStore(), 'the request');
        await sleep(1);
        assert.equal(storage.getStore(), 'the request');
      }),
    );
    assert.equal(await child.join(), 0);
  },

  async 'a hundred at once'() {
    const short = Array.from({ length: 100 }, (_, i) => started(() => process.exit(i % 7)));
    const codes = await Promise.all(short.map((child) => child.join()));
    assert.deepEqual(
      codes,
      codes.map((_, i) => i % 7),
    );
    const long = Array.from({ length: 100 }, () => started(hang));
    for (const child of long) child.terminate();
    const ends = await Promise.all(long.map((child) => child.join()));
    assert.ok(ends.every((code) => code === -15));
    assert.equal(children().size, 0);
  },

  async 'scoped use'() {
    const child = started(() => sleep(5));
    await child[Symbol.asyncDispose]();
    assert.throws(() => child.exitcode, { code: 'ERR_TRUEFORK_PROCESS_CLOSED' });
    const other = started(() => sleep(5));
    other[Symbol.dispose]();
    assert.throws(() => other.exitcode, { code: 'ERR_TRUEFORK_PROCESS_CLOSED' });
    await new Process()[Symbol.asyncDispose]();
    assert.equal(children().size, 0);
  },

  async 'the parent forgets what the child has to do'() {
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--expose-gc');
    const { runInNewContext } = await import('node:vm');
    const collect = runInNewContext('gc') as () => void;
    let isCollected = false;
    const registry = new FinalizationRegistry(() => (isCollected = true));
    const child = (() => {
      const data = { big: true };
      registry.register(data, undefined);
      return started({ target: (object) => void object, args: [data] });
    })();
    await child.join();
    await until(() => {
      collect();
      return isCollected;
    });
    assert.equal(child.exitcode, 0);
  },
};
