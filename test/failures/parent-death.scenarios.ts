// Parents and children that end, or are killed, at the worst moment.
import assert from 'node:assert/strict';
import { once, setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { Event, inChild, Process, type ProcessOptions } from 'truefork';
import { registerAtFork } from 'truefork/posix';
import { children, countDescriptors, isRunning, sleep, until } from '../support/observe.js';
import { haveTerminals, type Program, startOnTerminal, startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';

function started(
  target: () => unknown,
  options: Pick<ProcessOptions, 'daemon' | 'name'> = {},
): Process {
  const child = new Process({ ...options, target });
  child.start();
  return child;
}

/** Until it is killed, and not longer than the test. */
function hang(): Promise<void> {
  return sleep(20_000);
}

function hangBusily(): void {
  const end = Date.now() + 20_000;
  while (Date.now() < end);
}

/** The work of a daemon; it says when it has come to that. */
type Daemon = (isReady: () => void) => unknown;

/** Occupations of a daemon when its parent ends. */
const DAEMONS: Record<string, Daemon> = {
  hanging(isReady) {
    isReady();
    return hang();
  },
  busy(isReady) {
    isReady();
    hangBusily();
  },
  waiting(isReady) {
    isReady();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000);
  },
  obedient(isReady) {
    process.on('SIGTERM', () => {
      console.log('told to end');
      process.exit(3);
    });
    isReady();
    return hang();
  },
};

const STUBBORN: Record<string, Daemon> = {
  stubborn(isReady) {
    process.on('SIGTERM', () => {});
    isReady();
    return hang();
  },
  'stubborn and busy'(isReady) {
    process.on('SIGTERM', () => {});
    isReady();
    hangBusily();
  },
  stopped(isReady) {
    isReady();
    process.kill(process.pid, 'SIGSTOP');
  },
};

/** Starts daemons that have come to the point where they do what they are to do. */
async function startDaemons(targets: Record<string, Daemon>): Promise<number[]> {
  const daemons: Process[] = [];
  for (const [name, target] of Object.entries(targets)) {
    let isReady = false;
    process.once('SIGUSR2', () => (isReady = true));
    const daemon = started(
      () => {
        setImmediate(() => target(() => process.kill(process.ppid, 'SIGUSR2')));
        return hang();
      },
      { daemon: true, name },
    );
    await until(() => isReady);
    daemons.push(daemon);
  }
  return daemons.map(({ pid }) => pid!);
}

function tell(report: object): void {
  console.log(JSON.stringify(report));
}

/** How a parent comes to its end, with the exit code that it then has. */
const ENDS: Record<string, [end: () => unknown, code: number]> = {
  normally: [() => {}, 0],
  'with an exit code': [() => (process.exitCode = 4), 4],
  'by process.exit()': [() => process.exit(5), 5],
  'by an uncaught exception': [
    () => {
      setImmediate(() => {
        throw new Error('expected');
      });
    },
    1,
  ],
  'by an unhandled rejection': [() => void Promise.reject(new Error('expected')), 1],
  'while it exits': [
    () => {
      process.on('exit', () => {
        throw new Error('expected');
      });
    },
    1,
  ],
};

function endAsTold(): void {
  ENDS[process.argv[4]!]![0]();
}

interface Pids {
  pids: number[];
}

/** Started by the scenarios, to be killed or to end. */
const programs: Scenarios = {
  async 'a parent of daemons'() {
    tell({ pids: await startDaemons(DAEMONS) });
    endAsTold();
  },

  async 'a parent of stubborn daemons'() {
    tell({ pids: await startDaemons(STUBBORN) });
    endAsTold();
  },

  'a parent of a child that takes a moment'() {
    const hasToldAll = new Event();
    const child = started(async () => {
      await hasToldAll.wait(20_000);
      await sleep(200);
      console.log('finished');
    });
    tell({ pids: [child.pid] });
    hasToldAll.set();
    endAsTold();
  },

  'a parent of a child that takes long'() {
    tell({ pids: [started(hang, { name: 'Ada' }).pid] });
    endAsTold();
  },

  async 'a parent of everything'() {
    const daemons = await startDaemons(DAEMONS);
    const inherited = started(hang);
    void inChild(async () => {
      // Children of such a child are no daemons.
      const grandchild = started(hang);
      tell({ pids: [...daemons, process.pid], others: [inherited.pid, grandchild.pid] });
      await hang();
    });
    await hang();
  },

  async 'a parent that starts daemons all the time'() {
    tell({ pids: [] });
    for (;;) {
      const daemons = Array.from({ length: 3 }, () => started(hang, { daemon: true }));
      for (const daemon of daemons) daemon.kill();
      await Promise.all(daemons.map((daemon) => daemon.join()));
    }
  },

  async 'a parent that starts children all the time'() {
    tell({ pids: [] });
    for (;;) {
      const short = Array.from({ length: 3 }, () => started(() => sleep(1)));
      await Promise.all([...short.map((child) => child.join()), inChild(() => sleep(1))]);
    }
  },

  async 'it waits for Ctrl-C'() {
    const pids = [started(hang), started(hang, { daemon: true })].map(({ pid }) => pid!);
    tell({ pids });
    await hang();
  },

  async 'it handles Ctrl-C'() {
    const family = [started(hang), started(hang, { daemon: true }), started(hangBusily)];
    const interrupted = once(process, 'SIGINT');
    tell({ pids: family.map(({ pid }) => pid) });
    void hang();
    await interrupted;
    for (const child of family) {
      assert.equal(await child.join(), -2);
      assert.equal(child.exitSignal, 'SIGINT');
    }
    assert.equal(children().size, 0);
    await assert.rejects(
      inChild(() => process.kill(process.pid, 'SIGINT')),
      { code: 'ERR_TRUEFORK_WORKER_LOST', signal: 'SIGINT' },
    );
    process.exit(6);
  },

  async 'its child handles Ctrl-C'() {
    const isReady = once(process, 'SIGUSR2');
    const interrupted = once(process, 'SIGINT');
    const child = started(async () => {
      process.once('SIGINT', () => process.exit(7));
      process.kill(process.ppid, 'SIGUSR2');
      await hang();
    });
    await isReady;
    tell({ pids: [child.pid] });
    void hang();
    await interrupted;
    assert.equal(await child.join(), 7);
    process.exit(8);
  },

  'it exits while Ctrl-C comes'() {
    process.on('SIGINT', () => {});
    tell({ pids: [started(hang).pid] });
    process.exit(9);
  },
};

async function endsWithItsDaemons(name: string, end: string): Promise<Program> {
  const program = startProgram(name, {}, end);
  const { pids } = await program.report<Pids>();
  assert.ok(pids.length > 0);
  assert.deepEqual(await program.end(), { code: ENDS[end]![1], signal: null }, program.stderr);
  await until(() => !pids.some(isRunning));
  return program;
}

/** Kills parents in the middle of whatever they do; all of theirs must end. */
async function killAtRandom(name: string): Promise<void> {
  for (let round = 0; round < 15; round++) {
    const program = startProgram(name);
    await program.report();
    await sleep(Math.random() * 40);
    program.process.kill('SIGKILL');
    // Comes when the last of its children has let go of stdout.
    assert.deepEqual(await program.end(), { code: null, signal: 'SIGKILL' });
    assert.equal(program.stderr, '');
  }
}

/** Errors that start() may throw when the child is killed meanwhile. */
const CLEAR = /^(ERR_TRUEFORK_CHILD_SETUP|ESRCH)$/;

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A child that kills its siblings as fast as it finds them. */
function startKiller(): Process {
  const ppid = process.pid;
  return started(
    async () => {
      const path = `/proc/${ppid}/task/${ppid}/children`;
      for (;;) {
        const pids = readFileSync(path, 'utf8').split(' ').filter(Boolean).map(Number);
        for (const pid of pids) if (pid !== process.pid) killIfThere(pid);
        if (Math.random() < 0.1) await sleep(Math.random() * 3);
      }
    },
    { daemon: true },
  );
}

export const tests: Scenarios = {
  ...Object.fromEntries(
    Object.keys(ENDS).flatMap((end) => [
      [
        `a parent that ends ${end} ends its daemons`,
        async () => {
          const { stdout, stderr } = await endsWithItsDaemons('a parent of daemons', end);
          assert.match(stdout, /^.*\ntold to end\n$/);
          if (ENDS[end]![1] === 1) assert.match(stderr, /Error: expected/);
          else assert.equal(stderr, '');
        },
      ],
      [
        `a parent that ends ${end} waits for its children`,
        async () => {
          const name = 'a parent of a child that takes a moment';
          const { stdout, stderr } = await endsWithItsDaemons(name, end);
          assert.match(stdout, /^.*\nfinished\n$/);
          if (ENDS[end]![1] !== 1) assert.equal(stderr, '');
        },
      ],
    ]),
  ),

  async 'daemons that do not end are killed'() {
    await endsWithItsDaemons('a parent of stubborn daemons', 'normally');
    await endsWithItsDaemons('a parent of stubborn daemons', 'by process.exit()');
  },

  async 'a parent says what it waits for'() {
    const program = startProgram('a parent of a child that takes long', {}, 'by process.exit()');
    const { pids } = await program.report<Pids>();
    await program.printed(/waiting for <Process name='Ada' pid=\d+ parent=\d+ started> to end/);
    process.kill(pids[0]!, 'SIGKILL');
    assert.deepEqual(await program.end(), { code: 5, signal: null });
    assert.match(program.stderr, /^.*: waiting for <Process .*> to end before exiting\n$/);
  },

  async 'a parent says at once what it dies of while it waits'() {
    const end = 'by an uncaught exception';
    const program = startProgram('a parent of a child that takes long', {}, end);
    const { pids } = await program.report<Pids>();
    await program.printed(/waiting for <Process .*> to end before exiting with Error: expected\n/);
    process.kill(pids[0]!, 'SIGKILL');
    assert.deepEqual(await program.end(), { code: 1, signal: null });
  },

  'an exception that was handled is not what a process dies of': {
    async run() {
      process.once('uncaughtException', () => {});
      const first = started(() => {});
      setImmediate(() => {
        throw new Error('handled');
      });
      await first.join();
      started(() => sleep(500));
      process.exit();
    },
  },

  async 'a parent that waits for a child can be ended by signals'() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      const program = startProgram('it exits while Ctrl-C comes');
      const { pids } = await program.report<Pids>();
      await program.printed(/waiting for/);
      program.process.kill(signal);
      await until(() => program.process.signalCode === signal);
      process.kill(pids[0]!, 'SIGKILL');
      await program.end();
    }
  },

  async 'a parent that is killed leaves none behind but those that were to stay'() {
    if (process.platform !== 'linux') return;
    const program = startProgram('a parent of everything');
    const { pids, others } = await program.report<Pids & { others: number[] }>();
    assert.ok(pids.every(isRunning));
    program.process.kill('SIGKILL');
    await until(() => pids.every((pid) => !isRunning(pid)));
    assert.ok(others.every(isRunning));
    for (const pid of others) process.kill(pid, 'SIGKILL');
    assert.equal((await program.end()).signal, 'SIGKILL');
    assert.match(program.stdout, /told to end\n/);
  },

  'a parent that is killed while it starts daemons': () =>
    killAtRandom('a parent that starts daemons all the time'),

  'a parent that is killed while it starts children': () =>
    killAtRandom('a parent that starts children all the time'),

  async 'a child that is killed while it gets ready'() {
    // The moments that can be chosen; the next scenario finds the others.
    const end = registerAtFork({ afterInChild: () => process.kill(process.pid, 'SIGKILL') });
    const before = countDescriptors();
    for (let i = 0; i < 20; i++) {
      const child = started(hang);
      assert.equal(await child.join(), -9);
      await assert.rejects(inChild(hang), { code: 'ERR_TRUEFORK_WORKER_LOST', signal: 'SIGKILL' });
    }
    end();
    assert.equal(countDescriptors(), before);
    assert.equal(await started(() => {}).join(), 0);
    assert.equal(children().size, 0);
  },

  async 'children that are killed around their start'() {
    const killer = startKiller();
    for (let i = 0; i < 300; i++) {
      const child = new Process({ target: hang });
      try {
        child.start();
      } catch (error) {
        assert.match((error as NodeJS.ErrnoException).code ?? '', CLEAR);
        continue;
      }
      assert.equal(i % 2 === 0 ? child.joinSync() : await child.join(), -9);
    }
    killer.kill();
    assert.equal(await killer.join(), -9);
    assert.equal(children().size, 0);
    assert.equal(await started(() => {}).join(), 0);
  },

  async 'children that are killed while thousands wait for them'() {
    const family = Array.from({ length: 40 }, () => started(hang));
    const before = countDescriptors();
    const joins = family.flatMap((child) =>
      Array.from({ length: 100 }, (_, i) => child.join(i % 2 === 0 ? {} : { timeout: 50_000 })),
    );
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const aborted = family.map((child) => child.join({ signal: controller.signal }));
    const expired = family.map((child) => child.join(1));
    const sentinels = family.map(({ sentinel }) => sentinel);
    assert.equal(new Set(sentinels).size, family.length);
    const aborts = assert.doesNotReject(
      Promise.all(
        aborted.map((join) => assert.rejects(join, { name: 'AbortError', code: 'ABORT_ERR' })),
      ),
    );
    controller.abort();
    await aborts;
    assert.ok((await Promise.all(expired)).every((exitcode) => exitcode === null));
    const killer = started(() => {
      for (const { pid } of family) process.kill(pid!, 'SIGKILL');
    });
    assert.ok((await Promise.all(joins)).every((exitcode) => exitcode === -9));
    assert.equal(await killer.join(), 0);
    assert.equal(children().size, 0);
    for (const child of family) child.close();
    assert.equal(countDescriptors(), before - family.length);
  },

  async 'Ctrl-C ends parent and children'() {
    const program = startProgram('it waits for Ctrl-C', { detached: true });
    const { pids } = await program.report<Pids>();
    process.kill(-program.pid, 'SIGINT');
    assert.deepEqual(await program.end(), { code: null, signal: 'SIGINT' });
    await until(() => !pids.some(isRunning));
    assert.equal(program.stderr, '');
  },

  async 'Ctrl-C and a parent that handles it'() {
    const program = startProgram('it handles Ctrl-C', { detached: true });
    const { pids } = await program.report<Pids>();
    process.kill(-program.pid, 'SIGINT');
    assert.deepEqual(await program.end(), { code: 6, signal: null }, program.stderr);
    await until(() => !pids.some(isRunning));
    assert.equal(program.stderr, '');
  },

  async 'Ctrl-C and a child that handles it'() {
    const program = startProgram('its child handles Ctrl-C', { detached: true });
    await program.report<Pids>();
    process.kill(-program.pid, 'SIGINT');
    assert.deepEqual(await program.end(), { code: 8, signal: null }, program.stderr);
  },

  async 'Ctrl-C while the parent waits for its children to end'() {
    const program = startProgram('it exits while Ctrl-C comes', { detached: true });
    const { pids } = await program.report<Pids>();
    await program.printed(/waiting for/);
    process.kill(-program.pid, 'SIGINT');
    assert.deepEqual(await program.end(), { code: null, signal: 'SIGINT' });
    await until(() => !pids.some(isRunning));
  },

  async 'Ctrl-C on a terminal'() {
    if (!haveTerminals()) return;
    for (const [name, code] of [
      ['it waits for Ctrl-C', 128 + 2],
      ['it handles Ctrl-C', 6],
      ['its child handles Ctrl-C', 8],
    ] as const) {
      const program = startOnTerminal(name);
      const { pids } = await program.report<Pids>();
      program.process.stdin!.write('\u0003');
      assert.equal((await program.end()).code, code, program.stdout);
      await until(() => pids.every((pid) => !isRunning(pid)));
    }
  },

  async 'a terminal that is gone ends parent and children'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('it waits for Ctrl-C');
    const { pids } = await program.report<Pids>();
    program.process.kill('SIGKILL');
    await until(() => pids.every((pid) => !isRunning(pid)));
    await program.end();
  },
};

export const scenarios: Scenarios = { ...programs, ...tests };
