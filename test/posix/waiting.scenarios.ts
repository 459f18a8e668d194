// Waiting for children, and signals to them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Connection } from 'truefork';
import {
  _exit,
  close,
  decodeWaitStatus,
  dup2,
  kill,
  pidfdOpen,
  pidfdSendSignal,
  wait4,
  waitpid,
  WCONTINUED,
  WNOHANG,
  WUNTRACED,
} from 'truefork/posix';
import { until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  assertGood,
  failure,
  forked,
  isCloseOnExec,
  OUT_OF_RANGE,
  pause,
  WRONG_TYPE,
} from './support.js';

/** More than any system has. */
const NO_PID = 2 ** 31 - 1;

/** poll(2), which a Connection uses. */
function isReady(fd: number): boolean {
  using connection = new Connection(dup2(fd, 150));
  return connection.pollSync();
}

export const scenarios: Scenarios = {
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
};
