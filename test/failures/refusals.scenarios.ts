// Where a fork could not end well it is refused, and nothing has happened.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import inspector from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, runInContext, runInNewContext, runInThisContext, Script } from 'node:vm';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { inChild, Process } from 'truefork';
import { _exit, fork, registerAtFork, waitpid } from 'truefork/posix';
import { useEverything } from '../support/capabilities.js';
import { children, countDescriptors, sleep, until } from '../support/observe.js';
import { commandOf, startCommand, startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';

const parent = process.pid;

function started(target: () => unknown): Process {
  const child = new Process({ target });
  child.start();
  return child;
}

/** Both ways to fork are refused; the process object can be started later. */
function refuses(name: string): Process {
  const expected = { name: 'ProcessError', code: `ERR_TRUEFORK_${name}`, message: /^cannot / };
  assert.throws(() => fork(), expected);
  return refusesStart(name);
}

function refusesStart(name: string): Process {
  const expected = { name: 'ProcessError', code: `ERR_TRUEFORK_${name}`, message: /^cannot / };
  const child = new Process({ target: () => process.exit(7) });
  // A child that has ended is reaped by the first.
  assert.throws(() => child.start(), expected);
  const before = [countDescriptors(), children().size] as const;
  for (let i = 0; i < 20; i++) assert.throws(() => child.start(), expected);
  // Threads of Node open and close some of their own meanwhile.
  assert.ok(countDescriptors() < before[0] + 10);
  assert.equal(children().size, before[1]);
  assert.equal(child.pid, null);
  assert.equal(child.exitcode, null);
  assert.equal(child.isAlive(), false);
  return child;
}

/** Whatever was in the way is not there any more. */
async function works(child: Process): Promise<void> {
  child.start();
  assert.equal(await child.join(), 7);
  assert.equal(await inChild(() => process.pid !== parent), true);
  forkWorks();
  assert.equal(children().size, 0);
}

function forkWorks(): void {
  const pid = fork();
  if (pid === 0) _exit(7);
  assert.equal(waitpid(pid)!.exitcode, 7);
}

function startWorker(name: string): Worker {
  const [, runner, module] = process.argv;
  return new Worker(runner!, { argv: [module, name], execArgv: [] });
}

/** A context for code that calls `call`. */
function contextWith(call: () => unknown): object {
  return createContext({ call });
}

const programs: Scenarios = {
  async 'inside a Worker'() {
    assert.equal(isMainThread, false);
    const expected = { name: 'ProcessError', code: 'ERR_TRUEFORK_WORKER_THREAD' };
    const before = countDescriptors();
    for (let i = 0; i < 20; i++) {
      assert.throws(() => fork(), expected);
      assert.throws(() => started(() => {}), expected);
      await assert.rejects(
        inChild(() => {}),
        expected,
      );
    }
    assert.ok(countDescriptors() < before + 10);
  },

  async 'a Worker that waits'() {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    parentPort!.postMessage('loaded');
    await sleep(20_000);
  },

  async 'with --inspect'() {
    const child = refuses('INSPECTOR');
    await assert.rejects(
      inChild(() => {}),
      { code: 'ERR_TRUEFORK_INSPECTOR', message: /without --inspect/ },
    );
    inspector.close();
    await works(child);
  },

  async 'with a profile'() {
    const session = new inspector.Session();
    session.connect();
    const post = (method: string): Promise<unknown> =>
      new Promise((resolve) => session.post(method, resolve));
    await post('Profiler.enable');
    await post('Profiler.start');
    const child = refuses('PROFILER');
    await post('Profiler.stop');
    session.disconnect();
    await works(child);
  },

  'with --cpu-prof'() {
    refuses('PROFILER');
  },

  'in an exit listener'() {
    // Registered before, between and after those that start() itself adds.
    const check = (): void => void refuses('EXITING');
    process.on('exit', check);
    const child = started(() => process.exit(7));
    process.on('exit', check);
    process.on('exit', () => {
      assert.equal(child.joinSync(), 7);
      console.log('checked');
    });
  },
};

/** The ways to come to the end, each of which emits 'exit'. */
const ENDS: Record<string, () => void> = {
  natural: () => {},
  'process.exit()': () => process.exit(),
  'an exception': () =>
    void setImmediate(() => {
      throw new Error('expected');
    }),
};

export const tests: Scenarios = {
  async 'in a Worker'() {
    const worker = startWorker('inside a Worker');
    assert.deepEqual(await once(worker, 'exit'), [0]);
    assert.equal(children().size, 0);
    await works(new Process({ target: () => process.exit(7) }));
  },

  'while Workers are alive there is one warning': {
    async run() {
      const workers = [startWorker('a Worker that waits'), startWorker('a Worker that waits')];
      await Promise.all(workers.map((worker) => once(worker, 'message')));
      const warnings: Error[] = [];
      process.on('warning', (warning) => warnings.push(warning));
      for (let i = 0; i < 5; i++) assert.equal(await started(useEverything).join(), 0);
      // A child has no Workers, and so nothing to warn of.
      assert.equal(
        await inChild(async () => {
          let count = 0;
          process.on('warning', () => count++);
          const child = started(() => process.exit(7));
          return (await child.join()) === 7 && count === 0;
        }),
        true,
      );
      await Promise.all(workers.map((worker) => worker.terminate()));
      forkWorks();
      assert.equal(warnings.length, 1);
      assert.equal((warnings[0] as NodeJS.ErrnoException).code, 'TRUEFORK_JS_WORKERS');
    },
    stderr: /^\(node:\d+\) \[TRUEFORK_JS_WORKERS\] TrueforkWarning: .*\n(\(Use.*\n)?$/,
  },

  async 'Workers that have ended are nothing to warn of'() {
    const worker = startWorker('inside a Worker');
    await once(worker, 'exit');
    assert.equal(await started(useEverything).join(), 0);
  },

  'while the inspector listens': {
    async run() {
      for (let i = 0; i < 3; i++) {
        inspector.open(0, '127.0.0.1');
        const child = refuses('INSPECTOR');
        inspector.close();
        await works(child);
      }
    },
    stderr: /^(Debugger listening on [^]*){3}$/,
  },

  async 'when started with --inspect'() {
    const [file, ...args] = commandOf('with --inspect');
    const program = startCommand([file!, '--inspect=127.0.0.1:0', ...args]);
    assert.deepEqual(await program.end(), { code: 0, signal: null }, program.stderr);
    assert.match(program.stderr, /Debugger listening/);
  },

  'when SIGUSR1 has started the inspector': {
    async run() {
      process.kill(process.pid, 'SIGUSR1');
      await until(() => inspector.url() !== undefined);
      const child = refuses('INSPECTOR');
      // Node tries again in the loop what the signal has begun in an interrupt.
      await sleep(10);
      inspector.close();
      await works(child);
    },
    options: { nodeArgs: ['--inspect-port=127.0.0.1:0'] },
    stderr: /Debugger listening/,
  },

  async 'an inspector session without a port is none of its business'() {
    const session = new inspector.Session();
    session.connect();
    session.post('Runtime.enable');
    session.post('Debugger.enable');
    await works(new Process({ target: () => process.exit(7) }));
    session.disconnect();
    await works(new Process({ target: () => process.exit(7) }));
  },

  'while a CPU profile is taken': programs['with a profile']!,

  async 'when started with --cpu-prof'() {
    const [file, ...args] = commandOf('with --cpu-prof');
    const folder = mkdtempSync(join(tmpdir(), 'truefork-'));
    try {
      const program = startCommand([file!, '--cpu-prof', `--cpu-prof-dir=${folder}`, ...args]);
      assert.deepEqual(await program.end(), { code: 0, signal: null }, program.stderr);
      assert.equal(readdirSync(folder).length, 1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  async 'a listener for the signal of the profiler is none'() {
    process.on('SIGPROF', () => {});
    await works(new Process({ target: () => process.exit(7) }));
  },

  async 'inside vm code with a timeout'() {
    const timeout = 10_000;
    let child: Process | undefined;
    const check = (): void => void (child = refuses('VM_TIMEOUT'));
    const context = contextWith(check);
    const ways = [
      () => runInContext('call()', context, { timeout }),
      () => runInNewContext('call()', { call: check }, { timeout }),
      () => new Script('call()').runInContext(context, { timeout }),
      () => new Script('[1].map(() => call())').runInContext(context, { timeout }),
      () => {
        Reflect.set(globalThis, 'call', check);
        runInThisContext('call()', { timeout });
      },
    ];
    for (const way of ways) {
      child = undefined;
      way();
      assert.ok(child);
      await works(child);
    }
  },

  async 'inside vm code without a timeout, inside some with one'() {
    let child: Process | undefined;
    const inner = contextWith(() => void (child = refuses('VM_TIMEOUT')));
    const outer = contextWith(() => runInContext('call()', inner));
    runInContext('call()', outer, { timeout: 10_000 });
    await works(child!);
  },

  async 'inside vm code without a timeout it is allowed'() {
    const start = (): Process => started(() => process.exit(7));
    const ways: (() => Process)[] = [
      () => runInContext('call()', contextWith(start)) as Process,
      () => runInNewContext('call()', { call: start }) as Process,
      () => runInNewContext('call()', { call: start }, { breakOnSigint: true }) as Process,
      () =>
        runInContext(
          'call()',
          contextWith(() => runInContext('call()', contextWith(start))),
        ),
    ];
    for (const way of ways) assert.equal(await way().join(), 7);
    runInContext('call()', contextWith(forkWorks));
  },

  async 'after vm code whose time was up it is allowed'() {
    const expired = { code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' };
    for (let i = 0; i < 5; i++) {
      assert.throws(() => runInNewContext('for (;;);', {}, { timeout: 5 }), expired);
      await works(new Process({ target: () => process.exit(7) }));
      runInNewContext('1', {}, { timeout: 1000 });
      forkWorks();
    }
    // Also with the watchdog's remains on the stack, deeper down than this.
    const deeper = (depth: number): void => {
      if (depth > 0) deeper(depth - 1);
      else runInNewContext('1', {}, { timeout: 1000 });
    };
    deeper(100);
    await works(new Process({ target: () => process.exit(7) }));
  },

  async 'a function made in vm code with a timeout may fork later'() {
    const call = (): Process => started(() => process.exit(7));
    const later = runInContext('() => call()', contextWith(call), {
      timeout: 1000,
    }) as () => Process;
    assert.equal(await later().join(), 7);
  },

  async "in an 'exit' listener"() {
    const program = startProgram('in an exit listener');
    assert.deepEqual(await program.end(), { code: 0, signal: null }, program.stderr);
    assert.equal(program.stdout, 'checked\n');
  },

  ...Object.fromEntries(
    Object.entries(ENDS).map(([name, end]) => [
      `in an 'exit' listener, after ${name}`,
      {
        run() {
          process.on('exit', () => {
            refuses('EXITING');
            console.log('checked');
          });
          end();
        },
        code: name === 'an exception' ? 1 : 0,
        stdout: 'checked\n',
        stderr: name === 'an exception' ? /Error: expected/ : '',
      },
    ]),
  ),

  "in an 'exit' listener of a child": {
    async run() {
      for (const end of [() => {}, () => process.exit(3)]) {
        const child = started(() => {
          process.on('exit', () => {
            refuses('EXITING');
            console.log('checked');
          });
          end();
        });
        await child.join();
      }
    },
    stdout: 'checked\nchecked\n',
  },

  "in a 'beforeExit' listener": {
    run() {
      process.once('beforeExit', () => {
        const child = refusesStart('EXITING');
        console.log('checked');
        setImmediate(() => void works(child).then(() => console.log('works')));
      });
    },
    stdout: 'checked\nworks\n',
  },

  "in what a 'beforeExit' listener puts off until it ends": {
    run() {
      process.once('beforeExit', () => {
        const refused: Process[] = [];
        const check = (): void => void refused.push(refusesStart('EXITING'));
        process.nextTick(check);
        queueMicrotask(check);
        void Promise.resolve().then(check).then(check);
        void (async () => {
          check();
          await Promise.resolve();
          check();
          process.nextTick(check);
        })();
        setTimeout(() => {
          assert.equal(refused.length, 7);
          void works(refused[0]!).then(() => console.log('works'));
        }, 1);
      });
    },
    stdout: 'works\n',
  },

  "in a 'beforeExit' listener fork() is allowed": {
    run() {
      process.once('beforeExit', () => {
        forkWorks();
        console.log('works');
      });
    },
    stdout: 'works\n',
  },

  "in a 'beforeExit' listener of a child": {
    async run() {
      const child = started(() => {
        process.once('beforeExit', () => {
          const refused = refusesStart('EXITING');
          setImmediate(() => void works(refused).then(() => console.log('works')));
        });
      });
      assert.equal(await child.join(), 0);
    },
    stdout: 'works\n',
  },

  async 'hooks are not called for a fork that is refused'() {
    const calls: string[] = [];
    const forget = registerAtFork({
      before: () => calls.push('before'),
      afterInParent: () => calls.push('after'),
    });
    let child: Process | undefined;
    runInContext(
      'call()',
      contextWith(() => void (child = refuses('VM_TIMEOUT'))),
      { timeout: 10_000 },
    );
    assert.deepEqual(calls, []);
    child!.start();
    assert.deepEqual(calls, ['before', 'after']);
    forget();
    assert.equal(await child!.join(), 7);
  },
};

export const scenarios: Scenarios = { ...programs, ...tests };
