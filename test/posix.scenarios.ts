import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { pbkdf2, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import { text } from 'node:stream/consumers';
import { inspect, promisify } from 'node:util';
import { Connection, Process } from 'truefork';
import {
  _exit,
  close,
  decodeWaitStatus,
  dup2,
  fork,
  getppid,
  kill,
  pidfdOpen,
  pidfdSendSignal,
  pipe,
  read,
  registerAtFork,
  socketpair,
  wait4,
  waitpid,
  WCONTINUED,
  WNOHANG,
  write,
  WUNTRACED,
} from 'truefork/posix';
import { children, countDescriptors, sleep, until } from './support/observe.js';
import type { Scenarios } from './support/scenarios.js';

/** More than any system has. */
const NO_PID = 2 ** 31 - 1;
const NO_FD = 2 ** 31 - 1;

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** The error of a failed system call, whole. */
function failure(syscall: string, code: keyof typeof constants.errno): object {
  const errno = -constants.errno[code];
  return { name: 'Error', message: `${syscall} ${code}`, code, syscall, errno };
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** Forks; the child does `act` and ends, with exit code 1 if that throws. Returns its pid. */
function forked(act: () => void): number {
  const pid = fork();
  if (pid !== 0) return pid;
  try {
    act();
  } catch (error) {
    process.stderr.write(`${inspect(error)}\n`);
    _exit(1);
  }
  return _exit(0);
}

function assertGood(pid: number): void {
  assert.equal(waitpid(pid)!.exitcode, 0);
}

/** What a child is doing that waits to be killed. */
function pause(): void {
  const [reader, writer] = pipe();
  read(reader, Buffer.alloc(1));
  close(writer);
}

function say(fd: number, words: string): void {
  const bytes = Buffer.from(words);
  assert.equal(write(fd, bytes), bytes.length);
}

/** All that comes until the end of the file. */
function hear(fd: number): string {
  const buffer = Buffer.alloc(1024);
  let words = '';
  for (;;) {
    const length = read(fd, buffer);
    if (length === 0) return words;
    words += buffer.toString('utf8', 0, length);
  }
}

/** What the children of `act` say to the descriptor that it is given. */
function heardFrom(act: (fd: number) => void): string {
  const [reader, writer] = pipe();
  act(writer);
  close(writer);
  const words = hear(reader);
  close(reader);
  return words;
}

/** poll(2), which a Connection uses. */
function isReady(fd: number): boolean {
  using connection = new Connection(dup2(fd, 150));
  return connection.pollSync();
}

function isCloseOnExec(fd: number): boolean {
  const [, flags] = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))!;
  const O_CLOEXEC = 0o2_000_000;
  return (Number.parseInt(flags!, 8) & O_CLOEXEC) !== 0;
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

async function ask(server: AddressInfo): Promise<string> {
  return text(connect(server.port, server.address));
}

async function listen(reply: () => string): Promise<Server> {
  const server = createServer((socket) => socket.end(reply()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export const scenarios: Scenarios = {
  'fork() returns twice': {
    async run() {
      const { pid } = process;
      const child = fork();
      if (child === 0) {
        assert.notEqual(process.pid, pid);
        assert.equal(getppid(), pid);
        assert.equal(process.ppid, pid);
        console.log('the child');
        return;
      }
      assert.equal(process.pid, pid);
      assert.deepEqual([...children().keys()], [child]);
      assert.deepEqual(waitpid(child), {
        pid: child,
        status: 0,
        exitcode: 0,
        signal: null,
        coreDumped: false,
      });
      assert.equal(children().size, 0);
      console.log('the parent');
    },
    stdout: 'the child\nthe parent\n',
  },

  async 'what was put off is done on both sides'() {
    const done: string[] = [];
    setTimeout(() => done.push('timeout'), 1);
    setImmediate(() => done.push('immediate'));
    process.nextTick(() => done.push('tick'));
    queueMicrotask(() => done.push('microtask'));
    let turns = 0;
    const interval = setInterval(() => ++turns === 3 && clearInterval(interval), 1);
    const child = fork();
    assert.deepEqual(done, []);
    await until(() => done.length === 4 && turns === 3);
    assert.deepEqual(new Set(done), new Set(['immediate', 'microtask', 'tick', 'timeout']));
    if (child !== 0) assertGood(child);
  },

  async 'a server lives in both'() {
    const server = await listen(() => String(process.pid));
    const address = server.address() as AddressInfo;
    const inChild = fork();
    if (inChild === 0) {
      // Until the parent has asked it.
      await once(server, 'connection');
      server.close();
      return;
    }
    const inParent = await listen(() => String(process.pid));
    const other = fork();
    if (other === 0) _exit(0);
    server.close();
    assert.equal(await ask(address), String(inChild));
    assert.equal(await ask(inParent.address() as AddressInfo), String(process.pid));
    inParent.close();
    assertGood(inChild);
    assertGood(other);
  },

  async 'the thread pool works in both'() {
    const child = fork();
    assert.ok((await readFile('/proc/self/stat', 'utf8')).startsWith(`${process.pid} `));
    if (child !== 0) assertGood(child);
  },

  async 'what the thread pool was doing is done in the parent alone'() {
    let isDone = false;
    pbkdf2('secret', 'salt', 200_000, 32, 'sha256', () => (isDone = true));
    const child = fork();
    if (child === 0) {
      await readFile('/proc/self/stat');
      await sleep(1);
      assert.equal(isDone, false);
      _exit(0);
    }
    assertGood(child);
    await until(() => isDone);
  },

  async 'a child ends although the thread pool was busy in the parent'() {
    const jobs = Promise.all(
      [1, 2, 3, 4, 5, 6].map(() => promisify(pbkdf2)('secret', 'salt', 50_000, 32, 'sha256')),
    );
    const child = fork();
    if (child === 0) return;
    assertGood(child);
    await jobs;
  },

  async 'what the thread pool has done is told to the parent alone'() {
    const told: string[] = [];
    const job = stat('/proc/self').then(() => told.push('job'));
    const deadline = performance.now() + 100;
    while (performance.now() < deadline); // it is done now, and nobody has been told
    const child = fork();
    if (child === 0) {
      await sleep(20);
      assert.deepEqual(told, []);
      return;
    }
    assertGood(child);
    await job;
  },

  'both sides end with the listeners that were there': {
    async run() {
      process.on('exit', (code) => say(1, `${code}\n`));
      const child = fork();
      if (child === 0) {
        process.exitCode = 3;
        return;
      }
      assert.equal(waitpid(child)!.exitcode, 3);
    },
    stdout: '3\n0\n',
  },

  'an exception that the child does not catch is its end': {
    async run() {
      const child = fork();
      if (child === 0) {
        setImmediate(() => {
          throw new Error("the child's");
        });
        return sleep(20_000);
      }
      assert.equal(waitpid(child)!.exitcode, 1);
    },
    stderr: /Error: the child's\n/,
  },

  async 'random numbers are its own'() {
    const random = (): string =>
      `${randomUUID()} ${randomInt(2 ** 47)} ${Math.random()} ${crypto.randomUUID()}`;
    random();
    const heard = heardFrom((fd) => assertGood(forked(() => say(fd, random()))));
    const own = random().split(' ');
    for (const [index, value] of heard.split(' ').entries()) assert.notEqual(value, own[index]);
  },

  async 'children of children'() {
    const heard = heardFrom((fd) => {
      const { pid } = process;
      const child = forked(() => {
        assert.equal(getppid(), pid);
        const me = process.pid;
        const grandchild = forked(() => {
          assert.equal(getppid(), me);
          assertGood(forked(() => say(fd, 'great-grandchild ')));
          say(fd, 'grandchild ');
        });
        assert.throws(() => waitpid(pid), failure('waitpid', 'ECHILD'));
        assertGood(grandchild);
        say(fd, 'child');
      });
      assertGood(child);
    });
    assert.equal(heard, 'great-grandchild grandchild child');
  },

  async 'a fork in a fork in the loop of each'() {
    const depth = 4;
    let level = 0;
    let child = 0;
    while (level < depth && child === 0) {
      child = fork();
      if (child === 0) level++;
      await sleep(1);
    }
    if (child !== 0) assertGood(child);
  },

  async 'the order of hooks'() {
    const calls: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      registerAtFork({
        before: () => calls.push(`before ${name}`),
        afterInParent: () => calls.push(`parent ${name}`),
        afterInChild: () => calls.push(`child ${name}`),
      });
    }
    registerAtFork({});
    const before = ['before c', 'before b', 'before a'];
    const inChild = [...before, 'child a', 'child b', 'child c'];
    const child = forked(() => {
      assert.deepEqual(calls, inChild);
      // They are registered in the child as well.
      assertGood(forked(() => assert.deepEqual(calls, [...inChild, ...inChild])));
      assert.deepEqual(calls.slice(inChild.length + 3), ['parent a', 'parent b', 'parent c']);
    });
    const inParent = [...before, 'parent a', 'parent b', 'parent c'];
    assert.deepEqual(calls, inParent);
    assertGood(child);
    const process = new Process({ target: () => assert.deepEqual(calls.slice(6), inChild) });
    process.start();
    assert.deepEqual(calls.slice(6), inParent);
    assert.equal(await process.join(), 0);
  },

  async 'what `before` throws stops the fork'() {
    const calls: string[] = [];
    let isInTheWay = true;
    const hook = (name: string, before = (): void => {}): void => {
      registerAtFork({
        before() {
          calls.push(`before ${name}`);
          before();
        },
        afterInParent: () => calls.push(`parent ${name}`),
        afterInChild: () => calls.push(`child ${name}`),
      });
    };
    hook('a');
    hook('b', () => {
      if (isInTheWay) throw new RangeError('not now');
    });
    hook('c');
    hook('d');
    const descriptors = countDescriptors();
    const prepared = ['before d', 'before c', 'before b', 'parent c', 'parent d'];
    assert.throws(() => fork(), { name: 'RangeError', message: 'not now' });
    assert.deepEqual(calls, prepared);
    const process = new Process();
    assert.throws(() => process.start(), { message: 'not now' });
    assert.deepEqual(calls, [...prepared, ...prepared]);
    assert.equal(children().size, 0);
    assert.equal(countDescriptors(), descriptors);
    isInTheWay = false;
    assertGood(forked(() => {}));
    process.start();
    assert.equal(await process.join(), 0);
  },

  'what an after hook throws is a warning': {
    async run() {
      registerAtFork({
        afterInParent() {
          throw new Error('in the parent');
        },
        afterInChild() {
          throw new Error('in the child');
        },
      });
      let others = 0;
      registerAtFork({ afterInParent: () => others++, afterInChild: () => others++ });
      const child = fork();
      assert.equal(others, 1);
      const [warning] = await once(process, 'warning');
      assert.equal((warning as Error).message, `in the ${child === 0 ? 'child' : 'parent'}`);
      if (child !== 0) assertGood(child);
    },
    stderr: /Error: in the (child|parent)\n[^]*Error: in the (?!\1)(child|parent)\n/,
  },

  'what an after hook throws need not be an error': {
    async run() {
      const things = ['a string', undefined, null, 42, { an: 'object' }];
      for (const thing of things) {
        const raise = (): void => {
          // oxlint-disable-next-line typescript/only-throw-error -- as the scenario says
          throw thing;
        };
        const unregister = registerAtFork({ afterInParent: raise, afterInChild: raise });
        assertGood(forked(() => {}));
        unregister();
      }
      assert.equal(children().size, 0);
    },
    stderr: /./,
  },

  async 'taking a registration back'() {
    const calls: string[] = [];
    const hooks = { before: () => calls.push('called') };
    const first = registerAtFork(hooks);
    const second = registerAtFork(hooks);
    assertGood(forked(() => {}));
    assert.equal(calls.length, 2);
    first();
    first(); // is not the second
    assertGood(forked(() => {}));
    assert.equal(calls.length, 3);
    second();
    assertGood(forked(() => assert.equal(calls.length, 3)));
    assert.equal(calls.length, 3);
  },

  async 'taking a registration back in a child is its own affair'() {
    const calls: string[] = [];
    const unregister = registerAtFork({ before: () => calls.push('called') });
    const child = forked(() => {
      unregister();
      assertGood(forked(() => {}));
      assert.equal(calls.length, 1);
    });
    assertGood(child);
    assertGood(forked(() => {}));
    assert.equal(calls.length, 2);
  },

  async 'a fork that has begun comes to its end for those who prepared'() {
    const calls: string[] = [];
    const hooks = (name: string): Parameters<typeof registerAtFork>[0] => ({
      before: () => calls.push(`before ${name}`),
      afterInParent: () => calls.push(`parent ${name}`),
      afterInChild: () => calls.push(`child ${name}`),
    });
    registerAtFork({
      before() {
        calls.push('before a');
        unregister();
        registerAtFork(hooks('late'));
      },
    });
    const unregister = registerAtFork(hooks('b'));
    const child = forked(() => {
      assert.deepEqual(calls, ['before b', 'before a', 'child b']);
    });
    assert.deepEqual(calls, ['before b', 'before a', 'parent b']);
    assertGood(child);
  },

  async 'a hook that takes itself back while it is called'() {
    const calls: string[] = [];
    const unregister = registerAtFork({
      afterInParent() {
        calls.push('once');
        unregister();
      },
    });
    registerAtFork({ afterInParent: () => calls.push('always') });
    assertGood(forked(() => {}));
    assertGood(forked(() => {}));
    assert.deepEqual(calls, ['once', 'always', 'always']);
  },

  async 'a fork in an after hook'() {
    let isFirst = true;
    const pids: number[] = [];
    const forkAgain = (): void => {
      if (!isFirst) return;
      isFirst = false;
      pids.push(forked(() => {}));
    };
    registerAtFork({ afterInParent: forkAgain });
    const child = forked(() => {
      registerAtFork({ afterInChild: forkAgain });
      assertGood(forked(() => assertGood(pids.pop()!)));
    });
    assertGood(child);
    assertGood(pids.pop()!);
  },

  async 'a process that a hook starts in the child does not hold up the parent'() {
    const unregister = registerAtFork({
      afterInChild() {
        unregister();
        helper = new Process({ target: () => sleep(40_000), daemon: true });
        helper.start();
      },
    });
    let helper: Process;
    const before = performance.now();
    const child = fork();
    // The limit after which a child counts as hung is 30 seconds.
    assert.ok(performance.now() - before < 20_000);
    if (child === 0) {
      helper!.kill();
      _exit(helper!.joinSync() === -9 ? 0 : 1);
    }
    assertGood(child);
  },

  async 'hooks are checked where they are registered'() {
    const register = registerAtFork as (hooks: unknown) => unknown;
    for (const wrong of [undefined, null, 1, () => {}, { before: 1 }, { afterInChild: 'x' }]) {
      assert.throws(() => register(wrong), WRONG_TYPE, inspect(wrong));
    }
  },

  async 'a process that has ended'() {
    const exits: [() => void, object][] = [
      [() => _exit(0), { exitcode: 0, signal: null }],
      [() => _exit(7), { exitcode: 7, signal: null }],
      [() => _exit(255), { exitcode: 255, signal: null }],
      [() => _exit(), { exitcode: 0, signal: null }],
      [() => _exit(256), { exitcode: 0, signal: null }],
      [() => _exit(-1), { exitcode: 255, signal: null }],
      [() => process.exit(9), { exitcode: 9, signal: null }],
      [() => kill(process.pid, 'SIGKILL'), { exitcode: -9, signal: 'SIGKILL' }],
      [() => kill(process.pid), { exitcode: -15, signal: 'SIGTERM' }],
      // A real-time signal has no name.
      [() => kill(process.pid, 40), { exitcode: -40, signal: null }],
    ];
    for (const [end, expected] of exits) {
      const pid = forked(() => {
        end();
        pause(); // until the signal is delivered
      });
      const { status, ...decoded } = waitpid(pid)!;
      assert.deepEqual(decoded, { pid, coreDumped: false, ...expected });
      assert.deepEqual(decodeWaitStatus(pid, status), { status, ...decoded });
    }
  },

  async 'a status in words'() {
    const decode = (status: number): object => {
      const { exitcode, signal, coreDumped } = decodeWaitStatus(1, status);
      return [exitcode, signal, coreDumped];
    };
    assert.deepEqual(decode(0x0000), [0, null, false]);
    assert.deepEqual(decode(0xff00), [255, null, false]);
    assert.deepEqual(decode(0x000b), [-11, 'SIGSEGV', false]);
    assert.deepEqual(decode(0x008b), [-11, 'SIGSEGV', true]);
    assert.deepEqual(decode(0x0086), [-6, 'SIGABRT', true]);
    assert.deepEqual(decode(0x137f), [null, 'SIGSTOP', false]);
    assert.deepEqual(decode(0x057f), [null, 'SIGTRAP', false]);
    assert.deepEqual(decode(0xffff), [null, null, false]);
  },

  async 'a process that is stopped and goes on'() {
    const pid = forked(pause);
    assert.equal(waitpid(pid, WNOHANG), null);
    kill(pid, 'SIGSTOP');
    const stopped = waitpid(pid, WUNTRACED)!;
    assert.deepEqual([stopped.pid, stopped.exitcode, stopped.signal], [pid, null, 'SIGSTOP']);
    // That is told once, and only to who asks.
    assert.equal(waitpid(pid, WUNTRACED | WNOHANG), null);
    kill(pid, 'SIGCONT');
    assert.equal(waitpid(pid, WNOHANG), null);
    assert.equal(waitpid(pid, WNOHANG | WUNTRACED), null);
    const goesOn = wait4(pid, WCONTINUED)!;
    assert.deepEqual([goesOn.pid, goesOn.exitcode, goesOn.signal], [pid, null, null]);
    assert.equal(wait4(pid, WCONTINUED | WNOHANG), null);
    kill(pid, 'SIGKILL');
    assert.equal(waitpid(pid, WUNTRACED | WCONTINUED)!.exitcode, -9);
  },

  async 'any child'() {
    const pids = new Set([1, 2, 3].map((code) => forked(() => _exit(code))));
    const codes = new Set<unknown>();
    for (let i = 0; i < 3; i++) {
      const { pid, exitcode } = waitpid(i === 1 ? 0 : -1)!;
      assert.ok(pids.delete(pid));
      codes.add(exitcode);
    }
    assert.deepEqual(codes, new Set([1, 2, 3]));
    assert.throws(() => waitpid(-1), failure('waitpid', 'ECHILD'));
    assert.throws(() => waitpid(-1, WNOHANG), failure('waitpid', 'ECHILD'));
  },

  async 'a wait outlives signals'() {
    let signals = 0;
    process.on('SIGUSR2', () => signals++);
    const { pid } = process;
    const child = forked(() => {
      for (let i = 0; i < 50; i++) kill(pid, 'SIGUSR2');
      _exit(5);
    });
    assert.equal(waitpid(child)!.exitcode, 5);
    await until(() => signals > 0);
  },

  async 'what a child has used'() {
    const pid = forked(() => {
      const garbage: Buffer[] = [];
      while (process.cpuUsage().user < 50_000) garbage.push(Buffer.alloc(100_000, 1));
    });
    const { resourceUsage, exitcode } = wait4(pid)!;
    assert.equal(exitcode, 0);
    assert.ok(resourceUsage.userCPUTime >= 50_000);
    assert.ok(resourceUsage.maxRSS > 10_000);
    assert.ok(resourceUsage.minorPageFault > 0);
    assert.ok(Object.values(resourceUsage).every((value) => Number.isInteger(value) && value >= 0));
    assert.deepEqual(Object.keys(resourceUsage), [
      'userCPUTime',
      'systemCPUTime',
      'maxRSS',
      'minorPageFault',
      'majorPageFault',
      'fsRead',
      'fsWrite',
      'voluntaryContextSwitches',
      'involuntaryContextSwitches',
    ]);
  },

  async 'waits that cannot be'() {
    const child = forked(() => {});
    assertGood(child);
    assert.throws(() => waitpid(child), failure('waitpid', 'ECHILD'));
    assert.throws(() => wait4(child), failure('wait4', 'ECHILD'));
    assert.throws(() => waitpid(process.pid), failure('waitpid', 'ECHILD'));
    assert.throws(() => waitpid(1, WNOHANG), failure('waitpid', 'ECHILD'));
    assert.throws(() => waitpid(-1, 0x1000), failure('waitpid', 'EINVAL'));
    assert.throws(() => waitpid('1' as unknown as number), WRONG_TYPE);
    assert.throws(() => waitpid(undefined as unknown as number), WRONG_TYPE);
    assert.throws(() => waitpid(1.5), OUT_OF_RANGE);
    assert.throws(() => waitpid(Number.NaN), OUT_OF_RANGE);
    assert.throws(() => waitpid(2 ** 31), OUT_OF_RANGE);
    assert.throws(() => waitpid(1, -1), OUT_OF_RANGE);
    assert.throws(() => wait4(1, '0' as unknown as number), WRONG_TYPE);
  },

  async 'a pidfd is ready when the process has ended'() {
    const child = forked(pause);
    const fd = pidfdOpen(child);
    assert.equal(isCloseOnExec(fd), true);
    assert.equal(isReady(fd), false);
    pidfdSendSignal(fd, 0);
    pidfdSendSignal(fd, 'SIGTERM');
    assert.equal(waitpid(child)!.signal, 'SIGTERM');
    assert.equal(isReady(fd), true);
    assert.throws(() => pidfdSendSignal(fd, 'SIGTERM'), failure('pidfd_send_signal', 'ESRCH'));
    close(fd);
    assert.throws(() => pidfdSendSignal(fd, 0), failure('pidfd_send_signal', 'EBADF'));
  },

  async 'pidfds that cannot be'() {
    assert.throws(() => pidfdOpen(NO_PID), failure('pidfd_open', 'ESRCH'));
    assert.throws(() => pidfdOpen(0), OUT_OF_RANGE);
    assert.throws(() => pidfdOpen(-1), OUT_OF_RANGE);
    assert.throws(() => pidfdOpen('1' as unknown as number), WRONG_TYPE);
    const fd = pidfdOpen(process.pid);
    assert.throws(() => pidfdSendSignal(fd, 1000), failure('pidfd_send_signal', 'EINVAL'));
    assert.throws(() => pidfdSendSignal(-1, 0), OUT_OF_RANGE);
    close(fd);
  },

  async 'signals that cannot be sent'() {
    kill(process.pid, 0);
    kill(0, 0);
    assert.throws(() => kill(NO_PID), failure('kill', 'ESRCH'));
    assert.throws(() => kill(-NO_PID, 0), failure('kill', 'ESRCH'));
    assert.throws(() => kill(process.pid, 65), failure('kill', 'EINVAL'));
    assert.throws(() => kill(process.pid, 2 ** 31 - 1), failure('kill', 'EINVAL'));
    assert.throws(() => kill(process.pid, -1), OUT_OF_RANGE);
    assert.throws(() => kill(process.pid, 1.5), OUT_OF_RANGE);
    assert.throws(() => kill(2 ** 31, 0), OUT_OF_RANGE);
    assert.throws(() => kill('1' as unknown as number), WRONG_TYPE);
    assert.throws(() => kill(process.pid, null as unknown as number), WRONG_TYPE);
    const unknown = { ...WRONG_TYPE, message: /name of a signal.*SIGFOO/ };
    assert.throws(() => kill(process.pid, 'SIGFOO' as NodeJS.Signals), unknown);
    assert.throws(() => kill(process.pid, 'toString' as NodeJS.Signals), WRONG_TYPE);
    if (process.getuid!() !== 0) return; // the rest needs a right to give up
    const parent = process.pid;
    const child = forked(() => {
      process.setuid!(65_534);
      assert.throws(() => kill(parent, 0), failure('kill', 'EPERM'));
    });
    assertGood(child);
  },

  async 'a signal to a group'() {
    const sleeper = spawn('sleep', ['60'], { detached: true });
    await once(sleeper, 'spawn');
    kill(-sleeper.pid!, 'SIGTERM');
    assert.deepEqual(await once(sleeper, 'exit'), [null, 'SIGTERM']);
  },

  async 'a signal that was sent while the child was being made'() {
    const { pid } = process;
    process.on('SIGUSR2', () => {});
    const child = forked(() => {
      for (let i = 0; i < 200; i++) kill(pid, 'SIGUSR2');
    });
    for (let i = 0; i < 20; i++) assertGood(forked(() => {}));
    assertGood(child);
  },

  async 'what is written can be read'() {
    for (const [reader, writer] of [pipe(), socketpair()]) {
      const bytes = Buffer.from('0123456789');
      assert.equal(write(writer, bytes), 10);
      const buffer = Buffer.alloc(20, '.');
      assert.equal(read(reader, buffer, 0, 4), 4);
      assert.equal(read(reader, buffer, 10), 6);
      assert.equal(buffer.toString(), '0123......456789....');
      assert.equal(write(writer, bytes, 8), 2);
      assert.equal(write(writer, bytes, 2, 3), 3);
      assert.equal(read(reader, buffer), 5);
      assert.equal(buffer.toString('latin1', 0, 5), '89234');
      close(writer);
      assert.equal(read(reader, buffer), 0);
      assert.equal(read(reader, buffer), 0);
      close(reader);
    }
  },

  async 'a part of a bigger buffer is not left'() {
    const [reader, writer] = pipe();
    const memory = new Uint8Array(30).fill(1);
    const view = new Uint8Array(memory.buffer, 10, 10);
    say(writer, 'x'.repeat(30));
    assert.equal(read(reader, view), 10);
    assert.equal(read(reader, view, 10), 0);
    assert.deepEqual([...memory.subarray(0, 10)], Array(10).fill(1));
    assert.deepEqual([...memory.subarray(20)], Array(10).fill(1));
    assert.equal(write(writer, view.subarray(10)), 0);
    assert.equal(write(writer, view, 10), 0);
    assert.equal(read(reader, Buffer.alloc(100)), 20);
  },

  async 'both ends of a socket pair read and write'() {
    const [a, b] = socketpair();
    say(a, 'to b');
    say(b, 'to a');
    const buffer = Buffer.alloc(10);
    assert.equal(buffer.toString('utf8', 0, read(a, buffer)), 'to a');
    assert.equal(buffer.toString('utf8', 0, read(b, buffer)), 'to b');
  },

  async 'what does not block says EAGAIN'() {
    const [reader, writer] = pipe();
    const connections = [new Connection(reader), new Connection(writer)];
    assert.throws(() => read(reader, Buffer.alloc(1)), failure('read', 'EAGAIN'));
    const chunk = Buffer.alloc(50_000);
    let written = 0;
    assert.throws(
      () => {
        for (;;) written += write(writer, chunk);
      },
      failure('write', 'EAGAIN'),
    );
    // The last write was a partial one.
    assert.ok(written > 0 && written % chunk.length !== 0);
    connections.forEach((connection) => connection.close());
  },

  async 'descriptors that are not open'() {
    const [reader, writer] = pipe();
    assert.throws(() => write(reader, Buffer.alloc(1)), failure('write', 'EBADF'));
    assert.throws(() => read(writer, Buffer.alloc(1)), failure('read', 'EBADF'));
    close(reader);
    assert.throws(() => close(reader), failure('close', 'EBADF'));
    assert.throws(() => read(reader, Buffer.alloc(1)), failure('read', 'EBADF'));
    assert.throws(() => read(reader, Buffer.alloc(0)), failure('read', 'EBADF'));
    assert.throws(() => write(NO_FD, Buffer.alloc(1)), failure('write', 'EBADF'));
    assert.throws(() => dup2(reader, 100), failure('dup2', 'EBADF'));
    assert.throws(() => dup2(writer, NO_FD), failure('dup2', 'EBADF'));
    assert.throws(() => new Connection(NO_FD), failure('fcntl', 'EBADF'));
    close(writer);
  },

  async 'arguments of reads and writes'() {
    const [reader, writer] = pipe();
    const buffer = Buffer.alloc(10);
    const calls = { read: read.bind(null, reader), write: write.bind(null, writer) };
    for (const call of Object.values(calls)) {
      for (const wrong of ['abc', new ArrayBuffer(8), new Float64Array(1), [1], {}, 7]) {
        assert.throws(() => call(wrong as Buffer), WRONG_TYPE, inspect(wrong));
      }
      assert.throws(() => call(undefined as unknown as Buffer), WRONG_TYPE);
      assert.throws(() => call(null as unknown as Buffer), WRONG_TYPE);
      assert.throws(() => call(buffer, -1), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 11), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 1.5), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 5, 6), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 0, -1), OUT_OF_RANGE);
      assert.throws(() => call(buffer, 0, Infinity), OUT_OF_RANGE);
      assert.throws(() => call(buffer, '0' as unknown as number), WRONG_TYPE);
      assert.throws(() => call(buffer, 0, null as unknown as number), WRONG_TYPE);
    }
    for (const fd of [-1, 1.5, 2 ** 31, Number.NaN]) {
      assert.throws(() => read(fd, buffer), OUT_OF_RANGE);
      assert.throws(() => close(fd), OUT_OF_RANGE);
      assert.throws(() => dup2(0, fd), OUT_OF_RANGE);
    }
    assert.throws(() => close(undefined as unknown as number), WRONG_TYPE);
    assert.throws(() => close({ fd: 1 } as unknown as number), WRONG_TYPE);
    assert.throws(() => _exit('1' as unknown as number), WRONG_TYPE);
    assert.throws(() => _exit(0.5), OUT_OF_RANGE);
  },

  async 'to write where nobody reads is an error, not the end'() {
    const writeToNobody = (): void => {
      for (const [reader, writer] of [pipe(), socketpair()]) {
        close(reader);
        assert.throws(() => write(writer, Buffer.from('x')), failure('write', 'EPIPE'));
        close(writer);
      }
    };
    writeToNobody();
    assertGood(forked(writeToNobody));
    const process = new Process({ target: writeToNobody });
    process.start();
    assert.equal(await process.join(), 0);
  },

  async 'nor is it where the parent listens for SIGPIPE'() {
    process.on('SIGPIPE', () => {});
    const child = new Process({
      target() {
        const [reader, writer] = pipe();
        close(reader);
        assert.throws(() => write(writer, Buffer.from('x')), failure('write', 'EPIPE'));
      },
    });
    child.start();
    assert.equal(await child.join(), 0);
  },

  async 'another number for a descriptor'() {
    const [reader, writer] = pipe();
    const [other] = pipe();
    assert.equal(dup2(writer, writer), writer);
    assert.equal(dup2(writer, 100), 100);
    close(writer);
    say(100, 'by another number');
    // What was open there is closed.
    assert.equal(dup2(100, other), other);
    close(100);
    say(other, '.');
    close(other);
    assert.equal(hear(reader), 'by another number.');
  },

  async 'programs that are executed inherit only copies'() {
    const [reader, writer] = pipe();
    const [a, b] = socketpair();
    for (const fd of [reader, writer, a, b]) assert.equal(isCloseOnExec(fd), true);
    assert.equal(isCloseOnExec(dup2(reader, 100)), false);
    const list = execFileSync('sh', ['-c', 'ls /proc/$$/fd'], { encoding: 'utf8' }).split('\n');
    assert.ok(list.includes('100'));
    for (const fd of [reader, writer, a, b]) assert.equal(list.includes(String(fd)), false);
    // Forked children inherit them all.
    assertGood(forked(() => say(writer, 'x')));
    assert.equal(read(reader, Buffer.alloc(2)), 1);
  },

  '_exit() does nothing else': {
    async run() {
      process.on('exit', () => say(1, 'exit\n'));
      const child = forked(() => {
        process.on('exit', () => say(1, 'never\n'));
        process.nextTick(() => say(1, 'never\n'));
        _exit(4);
      });
      assert.equal(waitpid(child)!.exitcode, 4);
    },
    stdout: 'exit\n',
  },

  async 'an orphan has another parent'() {
    const heard = heardFrom((fd) => {
      const child = forked(() => {
        const { pid } = process;
        forked(() => {
          while (getppid() === pid);
          say(fd, String(getppid()));
        });
      });
      assertGood(child);
    });
    assert.match(heard, /^\d+$/);
    assert.notEqual(Number(heard), process.pid);
  },

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

  async 'two hundred forks leave nothing behind'() {
    assertGood(forked(() => {}));
    const descriptors = countDescriptors();
    for (let i = 0; i < 200; i++)
      assert.equal(waitpid(forked(() => _exit(i % 7)))!.exitcode, i % 7);
    assert.equal(countDescriptors(), descriptors);
    assert.equal(children().size, 0);
  },
};
