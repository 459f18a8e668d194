// Parents and daemons that give up their privileges: a daemon ends with its parent all the same.
import assert from 'node:assert/strict';
import { Event, Process } from 'truefork';
import { fork, getppid } from 'truefork/posix';
import { isRunning, sleep, until } from '../support/observe.js';
import { startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';

const NOBODY = 65_534;

function giveUpPrivileges(): void {
  process.setgid!(NOBODY);
  process.setuid!(NOBODY);
}

function nothing(): void {}

interface Plan {
  inParent?: () => void;
  inChild?: () => void;
  live?: () => unknown;
}

/** Starts a daemon, and tells its pid once both have done what they do. */
async function haveDaemon({ inParent = nothing, inChild = nothing, live }: Plan): Promise<Process> {
  const ready = new Event();
  const daemon = new Process({
    daemon: true,
    async target() {
      inChild();
      process.nextTick(() => ready.set());
      await (live ?? hang)();
    },
  });
  daemon.start();
  await ready.wait();
  inParent();
  console.log(JSON.stringify({ pid: daemon.pid }));
  return daemon;
}

function hang(): Promise<void> {
  return sleep(20_000);
}

async function computeForEver(): Promise<void> {
  await sleep(1);
  const end = Date.now() + 20_000;
  while (Date.now() < end);
}

/** Once it is told to end, `told` is printed. */
async function sayWhenTold(): Promise<void> {
  process.on('SIGTERM', () => {
    console.log('told');
    process.exit();
  });
  await hang();
}

const programs: Scenarios = {
  async 'a daemon that changes its user'() {
    await haveDaemon({ inChild: () => process.setuid!(NOBODY) });
    await hang();
  },
  async 'a daemon that changes its user, and computes'() {
    await haveDaemon({ inChild: () => process.setuid!(NOBODY), live: computeForEver });
    await hang();
  },
  async 'a daemon that changes its group for a while'() {
    await haveDaemon({
      inChild() {
        process.setegid!(NOBODY);
        process.setegid!(0);
      },
    });
    await hang();
  },
  async 'a parent that changes its user'() {
    await haveDaemon({ inParent: giveUpPrivileges, live: sayWhenTold });
    await hang();
  },
  async 'a parent and a daemon that change their user'() {
    await haveDaemon({ inParent: giveUpPrivileges, inChild: giveUpPrivileges });
    await hang();
  },
  async 'a parent that changes its user, and ends'() {
    const daemon = await haveDaemon({ inParent: giveUpPrivileges });
    assert.throws(() => daemon.terminate(), { code: 'EPERM', syscall: 'pidfd_send_signal' });
    const other = new Process({ daemon: true, target: hang });
    other.start();
    process.on('exit', () => assert.equal(other.exitcode, -15));
    process.exitCode = 3;
  },
};

async function daemonOf(name: string): Promise<[ReturnType<typeof startProgram>, number]> {
  const program = startProgram(name);
  const { pid } = await program.report<{ pid: number }>();
  return [program, pid];
}

export const tests: Scenarios = {
  async 'a parent that is killed'() {
    for (const name of Object.keys(programs).filter((key) => !key.endsWith('ends'))) {
      const [program, pid] = await daemonOf(name);
      assert.ok(isRunning(pid));
      process.kill(program.pid, 'SIGKILL');
      await until(() => !isRunning(pid));
      await program.end();
      if (name === 'a parent that changes its user') assert.match(program.stdout, /\ntold\n$/);
    }
  },

  async 'a parent that ends'() {
    const [program, pid] = await daemonOf('a parent that changes its user, and ends');
    await until(() => !isRunning(pid));
    assert.deepEqual(await program.end(), { code: 3, signal: null });
    assert.match(program.stderr, /no right any more to end <Process name='Process-1' .*EPERM/);
  },

  async 'a process that a daemon has forked does not end with the parent of that'() {
    const parent = process.pid;
    const daemon = new Process({
      daemon: true,
      target: async () => {
        if (fork() === 0) return hang();
        assert.equal(getppid(), parent);
        return undefined;
      },
    });
    daemon.start();
    assert.equal(await daemon.join(), 0);
  },
};

export const scenarios: Scenarios = { ...programs, ...tests };
