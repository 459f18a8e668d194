// Waiting for children, and signals to them.
import { constants } from 'node:os';
import { check } from '../common/errors.js';
import { process } from '../common/originals.js';
import { assertInt, assertString, assertType } from '../common/validate.js';
import { nativePosix } from '../native/posix.js';

/** Options of {@link waitpid} and {@link wait4}; combine them with `|`. */
export const WNOHANG = 1;
/** Report children that were stopped by a signal, too. */
export const WUNTRACED = 2;
/** Report children that were stopped and go on, too. */
export const WCONTINUED: number = process.platform === 'linux' ? 8 : 0x10;

/** A wait status, taken apart. */
export interface WaitStatus {
  pid: number;
  /** As the kernel packs it. */
  status: number;
  /**
   * N after `exit(N)`, −N if signal N ended the process, null if it was only stopped or goes on.
   */
  exitcode: number | null;
  /** The signal that ended or stopped the process, or null. */
  signal: NodeJS.Signals | null;
  coreDumped: boolean;
}

/** struct rusage. Times are in microseconds. */
export interface ResourceUsage {
  userCPUTime: number;
  systemCPUTime: number;
  /** The most memory that was resident at once: kilobytes on Linux, bytes on macOS. */
  maxRSS: number;
  minorPageFault: number;
  majorPageFault: number;
  fsRead: number;
  fsWrite: number;
  voluntaryContextSwitches: number;
  involuntaryContextSwitches: number;
}

// Some numbers have two names, of which the first is the usual one.
const signalNames = new Map(
  Object.entries(constants.signals)
    .map(([name, number]) => [number, name as NodeJS.Signals] as const)
    .toReversed(),
);

/** The name of a signal: `signalName(9)` is `'SIGKILL'`. Real-time signals have none. */
function signalName(number: number): NodeJS.Signals | null {
  return signalNames.get(number) ?? null;
}

function signalNumber(signal: number | NodeJS.Signals): number {
  if (typeof signal === 'number') {
    assertInt(signal, 'signal', 0);
    return signal;
  }
  assertString(signal, 'signal');
  const number: number | undefined = constants.signals[signal];
  assertType(number !== undefined, 'signal', 'the name of a signal', signal);
  return number;
}

/** Unpacks a wait status, as WIFEXITED and its relatives do. */
export function decodeWaitStatus(pid: number, status: number): WaitStatus {
  assertInt(pid, 'pid');
  assertInt(status, 'status');
  const low = status & 0x7f;
  const high = (status >> 8) & 0xff;
  const base = { pid, status, coreDumped: false };
  if (low === 0) return { ...base, exitcode: high, signal: null };
  const isStopped = low === 0x7f;
  if (isStopped) {
    const goesOn = status === 0xffff;
    return { ...base, exitcode: null, signal: goesOn ? null : signalName(high) };
  }
  return { ...base, exitcode: -low, signal: signalName(low), coreDumped: (status & 0x80) !== 0 };
}

interface Reaped extends WaitStatus {
  resourceUsage: ResourceUsage;
}

function reap(pid: number, options: number, syscall: string): Reaped | null {
  assertInt(pid, 'pid');
  assertInt(options, 'options', 0);
  const out = new Float64Array(10);
  const reaped = check(nativePosix.wait4(pid, options, out), syscall);
  if (reaped === 0) return null;
  return {
    ...decodeWaitStatus(reaped, out[0]!),
    resourceUsage: {
      userCPUTime: out[1]!,
      systemCPUTime: out[2]!,
      maxRSS: out[3]!,
      minorPageFault: out[4]!,
      majorPageFault: out[5]!,
      fsRead: out[6]!,
      fsWrite: out[7]!,
      voluntaryContextSwitches: out[8]!,
      involuntaryContextSwitches: out[9]!,
    },
  };
}

/**
 * waitpid(2) — waits, blocking the thread, until child `pid` has ended, and reaps
 * it. `pid` −1 means any child: then children of `node:child_process` and of
 * `Process` are taken away from their owners.
 *
 * @param options {@link WNOHANG} and others
 * @returns null if nothing has happened and `WNOHANG` was given
 * @throws SystemError `ECHILD` if there is no such child (any more)
 */
export function waitpid(pid: number, options = 0): WaitStatus | null {
  const reaped = reap(pid, options, 'waitpid');
  if (reaped === null) return null;
  const { resourceUsage: _, ...status } = reaped;
  return status;
}

/**
 * wait4(2) — {@link waitpid}, and what the child has used.
 *
 * @throws SystemError `ECHILD` if there is no such child (any more)
 */
export function wait4(
  pid: number,
  options = 0,
): (WaitStatus & { resourceUsage: ResourceUsage }) | null {
  return reap(pid, options, 'wait4');
}

/** @internal Starts a shell that signals do not end. @throws SystemError `EAGAIN`, `ENOENT` */
export function spawnShell(script: string, argument: string, input: number): number {
  return check(nativePosix.spawnShell(script, argument, input), 'spawn /bin/sh');
}

/**
 * pidfd_open(2) — a descriptor for a process, readable when the process has ended.
 * Close it with {@link close}. Linux 5.3 and later.
 *
 * @throws SystemError `ESRCH`; `ENOSYS` where the kernel has no such thing
 */
export function pidfdOpen(pid: number): number {
  assertInt(pid, 'pid', 1);
  return check(nativePosix.pidfdOpen(pid), 'pidfd_open');
}

/**
 * pidfd_send_signal(2) — a signal to the process behind a pidfd, which, unlike a
 * pid, never stands for another process later.
 *
 * @throws SystemError `ESRCH` if the process has been reaped
 */
export function pidfdSendSignal(pidfd: number, signal: number | NodeJS.Signals): void {
  assertInt(pidfd, 'pidfd', 0);
  check(nativePosix.pidfdSendSignal(pidfd, signalNumber(signal)), 'pidfd_send_signal');
}

/**
 * kill(2) — a signal (default SIGTERM; 0: only see whether it could be sent) to
 * process `pid`, to the own process group (0), to group −`pid`, or to all (−1).
 *
 * @throws SystemError `ESRCH`, `EPERM`
 */
export function kill(pid: number, signal: number | NodeJS.Signals = 'SIGTERM'): void {
  assertInt(pid, 'pid');
  check(nativePosix.kill(pid, signalNumber(signal)), 'kill');
}
