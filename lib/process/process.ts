// Processes, and which of them this one is.
import { randomBytes } from 'node:crypto';
import { makeAuthkey } from '../common/authkey.js';
import { bytesFrom } from '../common/bytes.js';
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { assertUsed, type NoFunction } from '../common/options.js';
import { emitWarning, process } from '../common/originals.js';
import { onForkedChild, thisProcess } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import { checkReceivers } from '../common/receivers.js';
import { assertString, assertType } from '../common/validate.js';
import {
  syncTimeout,
  waitOptions,
  type SyncWaitOptions,
  type WaitOptions,
} from '../common/waiting.js';
import type { Inheritable } from '../fork/child/inherit.js';
import { makeMain } from '../fork/child/main.js';
import { rememberCode } from '../fork/known-code.js';
import type { ResourceUsage } from '../posix/wait.js';
import { Children } from './children.js';
import { type ProcessOptions, readOptions } from './options.js';
import { ParentProcess } from './parent-process.js';
import { Popen } from './popen.js';

let current: Process;
let parent: ParentProcess | null = null;
let constructed = 0;
const children = new Children<Process>();

/**
 * A child process that is a fork of this one: it runs `target` with everything that
 * exists here at the moment of {@link start}, and nothing that this process has
 * put off: no timers, ticks, promise jobs, listeners on `process`, requests or connections.
 *
 * As Python's `multiprocessing.Process`. Subclasses may override {@link run} instead
 * of giving a target.
 *
 * The child ends when the target has settled and nothing keeps its event loop
 * alive. Its exit code is then `process.exitCode` or 0; 1 if the target throws or
 * rejects, with the error on stderr; N after `process.exit(N)`; 13 if the target
 * waits for what can never come.
 *
 * @example
 * ```ts
 * const process = new Process({ target: (name) => console.log(`hello, ${name}`), args: ['Ada'] });
 * process.start();
 * await process.join(); // 0
 * ```
 */
export class Process<Args extends unknown[] = unknown[]> {
  readonly #identity: readonly number[];
  readonly #creator = thisProcess;
  readonly #creatorPid = process.pid;
  #name: string;
  #daemon: boolean;
  #authkey: Buffer;
  // The work of the child, which is forgotten here once it is started.
  #target: ((...args: unknown[]) => unknown) | undefined;
  #args: unknown[];
  #inherit: readonly Inheritable[];
  #isTargetCalled = false;
  /**
   * The function that the child runs, until it has ended: errors find their classes from there
   * (known-code.ts).
   */
  #code: ((...args: never[]) => unknown) | undefined;
  #popen: Popen | undefined;
  #isClosed = false;

  static {
    precompileForChildren(this.prototype.run, this.#live);
    checkReceivers(this, (object) => #identity in object);
    onForkedChild(() => {
      for (const child of children) child.#popen?.disown();
      children.forget();
      constructed = 0;
    });
  }

  /**
   * @throws TypeError `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`,
   *   `ERR_TRUEFORK_UNKNOWN_OPTION`
   */
  constructor(options: ProcessOptions<Args> & NoFunction = {}) {
    const { target, args, name, daemon, inherit, authkey } = readOptions(options);
    assertUsed('args', args, 'target', target);
    const creator: Process | undefined = current;
    this.#target = target as ((...args: unknown[]) => unknown) | undefined;
    this.#args = args ?? [];
    this.#inherit = inherit ?? [];
    this.#identity = creator ? [...creator.#identity, ++constructed] : [];
    this.#name = `${new.target.name}-${this.#identity.join(':')}`;
    this.#daemon = creator?.daemon ?? false;
    this.#authkey = creator?.authkey ?? makeAuthkey(randomBytes(32));
    if (name !== undefined) this.name = name;
    if (daemon !== undefined) this.daemon = daemon;
    if (authkey !== undefined) this.authkey = authkey;
  }

  /**
   * The work of the child: here `target(...args)`. For subclasses to override. A target that is not
   * called then, by `super.run()`, is a warning `TRUEFORK_TARGET_NOT_CALLED` in the child.
   */
  run(): unknown {
    const target = this.#target;
    this.#isTargetCalled = true;
    return target?.(...this.#args);
  }

  /**
   * Forks. Returns in the parent only, when the child is ready to run; in the child
   * nothing of the caller goes on, not even a `finally`.
   *
   * Like Python's it reaps children that have ended ({@link reap}).
   *
   * @throws ProcessError `ERR_TRUEFORK_ALREADY_STARTED`, `ERR_TRUEFORK_NOT_THE_CREATOR`,
   *   `ERR_TRUEFORK_DAEMON` (daemons have no children), `ERR_TRUEFORK_PROCESS_CLOSED`, and
   *   whatever `posix.fork()` throws
   * @throws SystemError also for what failed in the child before it was ready
   */
  start(): void {
    this.#assertOpen();
    if (this.#popen !== undefined || this === current) {
      throw new ProcessError('ERR_TRUEFORK_ALREADY_STARTED', 'cannot start a process twice');
    }
    if (this.#creator !== thisProcess) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_THE_CREATOR',
        'can only start a process object created by current process',
      );
    }
    if (current.#daemon) {
      throw new ProcessError(
        'ERR_TRUEFORK_DAEMON',
        'daemonic processes are not allowed to have children',
      );
    }
    reap();
    children.endAtExit();
    this.#rememberCode();
    const creator = new ParentProcess(current.#name, process.pid);
    this.#popen = Popen.launch({
      inherit: this.#inherit,
      endsWithParent: this.endsWithParent,
      setUp: becomeCurrent.bind(undefined, this, creator),
      main: makeMain(this.#name, Process.#live.bind(undefined, this)),
    });
    children.add(this, this.endsWithParent);
    this.#forgetTask();
  }

  /**
   * Waits until the process has ended, and reaps it. While anybody waits, the
   * event loop stays alive.
   *
   * @param options `{ timeout, signal }`, or the timeout in milliseconds; default: no limit
   * @returns the {@link exitcode}, or null after the timeout
   * @throws ProcessError `ERR_TRUEFORK_NOT_A_CHILD`, `ERR_TRUEFORK_NOT_STARTED`
   * @throws AbortError
   */
  async join(options: number | WaitOptions = {}): Promise<number | null | undefined> {
    const { timeout, signal } = waitOptions(options);
    await this.#started('join').wait(timeout, signal);
    return this.exitcode;
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(options: number | SyncWaitOptions = {}): number | null | undefined {
    this.#started('join').waitSync(syncTimeout(options));
    return this.exitcode;
  }

  /** Whether the process was started and has not ended. Reaps it if it has. */
  isAlive(): boolean {
    this.#assertOpen();
    if (this === current) return true;
    this.#assertOurs('test');
    return this.#popen !== undefined && !this.#hasEnded();
  }

  /** Sends SIGTERM, unless the process has ended. Its own children live on. */
  terminate(): void {
    this.#started('terminate').sendSignal('SIGTERM');
  }

  /** Sends SIGKILL, unless the process has ended. Its own children live on. */
  kill(): void {
    this.#started('kill').sendSignal('SIGKILL');
  }

  /**
   * Frees what the object holds; it cannot be used any more. May be called twice.
   *
   * @throws ProcessError `ERR_TRUEFORK_STILL_RUNNING`
   */
  close(): void {
    if (this.#isClosed || this === current) return;
    if (this.#isOurs && this.#popen !== undefined && !this.#hasEnded()) {
      throw new ProcessError(
        'ERR_TRUEFORK_STILL_RUNNING',
        'Cannot close a process while it is still running. You should first call join() or ' +
          'terminate().',
      );
    }
    this.#popen?.close();
    this.#isClosed = true;
    this.#forgetTask();
  }

  /** For `await using`: {@link join}, then {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed && this.#popen !== undefined) await this.join();
    this.close();
  }

  /** For `using`: {@link joinSync}, then {@link close}. */
  [Symbol.dispose](): void {
    if (!this.#isClosed && this.#popen !== undefined) this.joinSync();
    this.close();
  }

  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    assertString(name, 'name');
    this.#name = name;
  }

  /** Whether the process ends with its parent. Cannot be set once it is started. */
  get daemon(): boolean {
    return this.#daemon;
  }

  set daemon(daemon: boolean) {
    assertType(typeof daemon === 'boolean', 'daemon', 'of type boolean', daemon);
    if (this.#popen !== undefined || this === current) {
      throw new ProcessError('ERR_TRUEFORK_ALREADY_STARTED', 'process has already started');
    }
    this.#daemon = daemon;
  }

  /**
   * The key for connections between processes, as {@link Listener} and `Client` take it: random
   * bytes in the main process, and inherited by each child. When it is set children get the new one
   * that are made from then on. `util.inspect` and `JSON.stringify` do not show it, and nothing
   * sends it, or a view of its memory; copies that a program makes are data as any other.
   */
  get authkey(): Buffer {
    return this.#authkey;
  }

  set authkey(authkey: Uint8Array) {
    this.#authkey = makeAuthkey(bytesFrom(authkey, 'authkey'));
  }

  /** null before the start. */
  get pid(): number | null {
    this.#assertOpen();
    return this === current ? process.pid : (this.#popen?.pid ?? null);
  }

  /**
   * null until the process has ended. Then N after `exit(N)`, or −N if signal N ended
   * it; undefined if some other part of the program reaped it, so that nobody knows.
   */
  get exitcode(): number | null | undefined {
    this.#assertOpen();
    if (this.#isOurs) this.#hasEnded();
    return this.#popen === undefined ? null : this.#popen.exitcode;
  }

  /** The name of the signal that ended the process, or null. */
  get exitSignal(): NodeJS.Signals | null {
    this.#assertOpen();
    if (this.#isOurs) this.#hasEnded();
    return this.#popen?.exitSignal ?? null;
  }

  /** The resources that the process has used, from wait4(2); null until it has been reaped. */
  get resourceUsage(): ResourceUsage | null {
    this.#assertOpen();
    return this.#popen?.resourceUsage ?? null;
  }

  /**
   * A descriptor that is readable once the process has ended: on Linux a pidfd. It
   * stays open until {@link close}, or until this object is garbage.
   *
   * @throws ProcessError `ERR_TRUEFORK_NOT_STARTED`
   */
  get sentinel(): number {
    return this.#started('watch').giveOutSentinel();
  }

  toString(): string {
    const parts = [`name='${this.#name}'`];
    if (this.#isClosed) return `<${this.constructor.name} ${parts.join(' ')} closed>`;
    if (this.pid !== null) parts.push(`pid=${this.pid}`);
    if (this.#identity.length > 0) parts.push(`parent=${this.#creatorPid}`);
    parts.push(this.#state());
    if (this.#daemon) parts.push('daemon');
    return `<${this.constructor.name} ${parts.join(' ')}>`;
  }

  /** @internal Whether it is of no use without this process, be it a daemon or not. */
  protected get endsWithParent(): boolean {
    return this.#daemon;
  }

  /** @internal Calls `wake` when it has ended. */
  protected watch(wake: () => void, keepsLoopAlive: boolean): void {
    this.#started('watch').watch(wake, keepsLoopAlive);
  }

  get #isOurs(): boolean {
    return this.#creator === thisProcess && this !== current;
  }

  #state(): string {
    if (this === current) return 'started';
    if (this.#popen === undefined) return 'initial';
    if (!this.#isOurs) return 'unknown';
    if (!this.#hasEnded()) return 'started';
    const { exitcode, exitSignal } = this.#popen;
    return `stopped exitcode=${exitSignal ? `-${exitSignal}` : (exitcode ?? 'unknown')}`;
  }

  #hasEnded(): boolean {
    const hasEnded = this.#popen?.poll() ?? false;
    if (!hasEnded) return false;
    children.delete(this);
    this.#code = undefined;
    return true;
  }

  #rememberCode(): void {
    // The processes that this package has its own use for run what is its own.
    if (this.endsWithParent && !this.#daemon) return;
    this.#code = this.#target ?? this.run;
    rememberCode(this.#code);
  }

  #forgetTask(): void {
    this.#target = undefined;
    this.#args = [];
    this.#inherit = [];
  }

  #assertOpen(): void {
    if (!this.#isClosed) return;
    throw new ProcessError('ERR_TRUEFORK_PROCESS_CLOSED', 'process object is closed');
  }

  #assertOurs(verb: string): void {
    if (this.#isOurs) return;
    throw new ProcessError('ERR_TRUEFORK_NOT_A_CHILD', `can only ${verb} a child process`);
  }

  /** In the child. */
  static async #live(child: Process<never[]>): Promise<void> {
    await child.run();
    if (child.#target === undefined || child.#isTargetCalled) return;
    emitWarning(
      `${child.#name} has a target that was not called: its class overrides run(), and does not call super.run()`,
      { type: 'ProcessWarning', code: 'TRUEFORK_TARGET_NOT_CALLED' },
    );
  }

  /** The child, for a method that makes sense only for one that was started here. */
  #started(verb: string): Popen {
    this.#assertOpen();
    this.#assertOurs(verb);
    if (this.#popen !== undefined) return this.#popen;
    throw new ProcessError('ERR_TRUEFORK_NOT_STARTED', `can only ${verb} a started process`);
  }
}

inspectBy(Process);

/** The process that was not started by this package. */
class MainProcess extends Process {
  constructor() {
    super({ name: 'MainProcess' });
  }
}

current = new MainProcess();

/** In the child. */
function becomeCurrent(itself: Process, creator: ParentProcess): void {
  current = itself;
  parent = creator;
}

/** The object of the running process. In the main process its name is `MainProcess`. */
export function currentProcess(): Process {
  return current;
}

/** The process that started this one, or null in the main process. */
export function parentProcess(): ParentProcess | null {
  return parent;
}

/**
 * Reaps the children of this process that have ended, and only those that were
 * started by `Process`: others are left to whoever waits for them.
 *
 * @returns those that it found ended
 */
export function reap(): Process[] {
  return children.reap();
}

/** The children of this process that are alive. Reaps the others. */
export function activeChildren(): Process[] {
  return children.active();
}

precompileForChildren(Process.prototype.run, becomeCurrent);
