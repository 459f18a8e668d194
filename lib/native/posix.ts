// Processes, as the kernel has them: native/posix.
import { addon } from './addon.js';

export interface PosixFunctions {
  getpid(): number;
  getppid(): number;
  _exit(code: number): never;
  /** Fills `bytes` with random ones from the kernel. Returns 0. */
  getrandom(bytes: Uint8Array): number;
  /** 0: none, or the kernel has taken it back. */
  parentDeathSignal(): number;
  setParentDeathSignal(signal: number): number;
  wait4(pid: number, options: number, out: Float64Array): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  kill(pid: number, signal: number): number;
  /** The pid of a shell that no SIGINT, SIGTERM or SIGHUP ends, and that reads from `input`. */
  spawnShell(script: string, argument: string, input: number): number;
  /** A number that stands for the semaphore in this thread. */
  semOpen(name: string, flags: number, mode: number, value: number): number;
  semClose(sem: number): number;
  semUnlink(name: string): number;
  semPost(sem: number): number;
  semTryWait(sem: number): number;
  /** Blocks the thread for `timeout` milliseconds, Infinity: without a limit. */
  semWait(sem: number, timeout: number): number;
  semGetValue(sem: number): number;
}

export const nativePosix: PosixFunctions = addon as PosixFunctions;
