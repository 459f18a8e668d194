// A child as the kernel sees it: a pid to wait for and to signal. The Process as its user sees it
// is in process.ts.
import { type SystemError } from '../common/errors.js';
import { process } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import { Deadline, sleepSync, throwIfAborted, waitFor } from '../common/waiting.js';
import type { Inheritable } from '../fork/child/inherit.js';
import { Inheritance } from '../fork/child/set-up.js';
import { forkWith } from '../fork/fork.js';
import { assertCanStart } from '../fork/guards.js';
import { close, pipe } from '../posix/descriptors.js';
import {
  kill,
  pidfdOpen,
  pidfdSendSignal,
  wait4,
  WNOHANG,
  type ResourceUsage,
} from '../posix/wait.js';
import { endWithParent, prepareChildToEnd } from './parent-death.js';
import { Sentinel } from './sentinel.js';

/** The plan of a child. */
export interface Plan {
  /** The objects of this process's event loop that the child shares. */
  inherit: readonly Inheritable[];
  /**
   * Whether it gets SIGTERM when its parent dies; until then the parent's loop need not wait for
   * it.
   */
  endsWithParent: boolean;
  /** Called in the child; an error in there is thrown in the parent. */
  setUp: () => void;
  /** The function that the child begins with. */
  main: () => void;
}

function codeOf(error: unknown): string | undefined {
  return (error as Partial<SystemError>).code;
}

let havePidfds: boolean | undefined;

/** Whether this kernel has pidfds, and whoever confines this process lets it have them. */
function pidfdsWork(): boolean {
  if (havePidfds !== undefined) return havePidfds;
  try {
    close(pidfdOpen(process.pid));
    havePidfds = true;
  } catch (error) {
    if (codeOf(error) === 'EMFILE' || codeOf(error) === 'ENFILE') throw error;
    havePidfds = false;
  }
  return havePidfds;
}

// Where there are no pidfds a child holds the write end of a pipe, and nobody else
// does: at its end the parent reads the end of the file.
let lifeline: number | undefined;

function dropLifeline(): void {
  if (lifeline !== undefined) close(lifeline);
  lifeline = undefined;
}

onForkedChild(dropLifeline);

/** A descriptor that is ready when the child has ended, however it is made. */
interface Watch {
  inChild(): void;
  inParent(pid: number): number;
  afterFailure(): void;
}

const pidfdWatch: Watch = {
  inChild() {},
  inParent(pid) {
    try {
      return pidfdOpen(pid);
    } catch (error) {
      kill(pid, 'SIGKILL');
      wait4(pid);
      throw error;
    }
  },
  afterFailure() {},
};

function watchByPipe(): Watch {
  const [reader, writer] = pipe();
  return {
    inChild() {
      close(reader);
      lifeline = writer;
    },
    inParent() {
      close(writer);
      return reader;
    },
    afterFailure() {
      close(reader);
      close(writer);
    },
  };
}

/** The first steps of the child. */
function getReady(plan: Plan, inheritance: Inheritance, watch: Watch, parent: number): void {
  inheritance.accept();
  watch.inChild();
  if (plan.endsWithParent) endWithParent(parent, havePidfds === true);
  plan.setUp();
}

/** Waits, in the rare moment between a process closing its descriptors and being dead. */
const DYING_MS = 2;

/** The sentinel of a process that has been reaped. */
function alwaysReady(): number {
  const [reader, writer] = pipe();
  close(writer);
  return reader;
}

/** Closes the descriptors that users have been given and forgotten. */
const forgotten = new FinalizationRegistry<number>(close);

export class Popen {
  readonly pid: number;
  /** null while the process runs, undefined if somebody else has reaped it. */
  exitcode: number | null | undefined = null;
  exitSignal: NodeJS.Signals | null = null;
  resourceUsage: ResourceUsage | null = null;

  readonly #sentinel: Sentinel;
  /** The sentinel's, while it is open. */
  #fd: number | undefined;
  #isGivenOut = false;

  /** Makes a child. Does not return there. */
  static launch(plan: Plan): Popen {
    assertCanStart();
    const inheritance = new Inheritance(plan.inherit);
    if (plan.endsWithParent) prepareChildToEnd();
    const watch = pidfdsWork() ? pidfdWatch : watchByPipe();
    let pid: number;
    try {
      pid = forkWith(false, getReady.bind(undefined, plan, inheritance, watch, process.pid));
    } catch (error) {
      watch.afterFailure();
      throw error;
    }
    if (pid === 0) inheritance.abandonParentAnd(plan.main);
    const child = new Popen(pid, watch.inParent(pid));
    if (!plan.endsWithParent) child.#sentinel.keepLoopAlive();
    return child;
  }

  private constructor(pid: number, fd: number) {
    this.pid = pid;
    this.#fd = fd;
    this.#sentinel = new Sentinel(fd);
  }

  /** Reaps the process if it has ended. Returns whether it has. */
  poll(): boolean {
    if (this.exitcode !== null) return true;
    try {
      const status = wait4(this.pid, WNOHANG);
      if (status === null) return false;
      this.exitcode = status.exitcode;
      this.exitSignal = status.signal;
      this.resourceUsage = status.resourceUsage;
    } catch (error) {
      if (codeOf(error) !== 'ECHILD') throw error;
      this.exitcode = undefined;
    }
    this.#sentinel.stop();
    if (!this.#isGivenOut) this.close();
    return true;
  }

  /** Returns whether the process has ended, false after the timeout (ms). */
  async wait(timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    throwIfAborted(signal);
    const deadline = new Deadline(timeout);
    const ended = (wake: () => void): (() => void) => this.#sentinel.subscribe(wake);
    while (!this.poll()) {
      if (deadline.isOver) return false;
      const isEnding = await waitFor(ended, deadline.left, signal);
      if (isEnding && !this.poll()) await waitFor(() => () => {}, DYING_MS, signal);
    }
    return true;
  }

  /** The same, and blocks the thread. */
  waitSync(timeout: number): boolean {
    const deadline = new Deadline(timeout);
    while (!this.poll()) {
      if (deadline.isOver) return false;
      if (this.#sentinel.wait(deadline.left) && !this.poll()) sleepSync(DYING_MS);
    }
    return true;
  }

  /** Calls `wake` when the process has ended. */
  watch(wake: () => void, keepsLoopAlive: boolean): void {
    if (keepsLoopAlive) this.#sentinel.subscribe(wake);
    else this.#sentinel.watch(wake);
  }

  /** Sends a signal, unless the process has ended. */
  sendSignal(signal: NodeJS.Signals): void {
    if (this.poll()) return;
    try {
      if (havePidfds) pidfdSendSignal(this.#sentinel.fd, signal);
      else kill(this.pid, signal);
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error;
    }
  }

  /** The descriptor, for the user to wait for: stays open until close(). */
  giveOutSentinel(): number {
    if (this.#fd === undefined) this.#fd = alwaysReady();
    if (!this.#isGivenOut) forgotten.register(this, this.#fd, this);
    this.#isGivenOut = true;
    return this.#fd;
  }

  /** Closes the descriptor. The process must have been reaped. */
  close(): void {
    if (this.#fd === undefined) return;
    forgotten.unregister(this);
    close(this.#fd);
    this.#fd = undefined;
    this.#isGivenOut = false;
  }

  /** In a forked child: the process is a sibling or its own, not its child. */
  disown(): void {
    this.#sentinel.abandon();
    this.close();
  }
}

precompileForChildren(getReady, pidfdWatch.inChild);
