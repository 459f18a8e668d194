// multiprocessing.managers.BaseManager.
import { randomBytes } from 'node:crypto';
import { ProcessError } from '../common/errors.js';
import { bytesOption, optionsReader, timeoutOption } from '../common/options.js';
import { process } from '../common/originals.js';
import { thisProcess } from '../common/per-process.js';
import { checkReceivers } from '../common/receivers.js';
import { assertFunction, invalidThis } from '../common/validate.js';
import type { SyncWaitOptions, WaitOptions } from '../common/waiting.js';
import { type Address, familyOf } from '../connection/address.js';
import { currentProcess } from '../process/process.js';
import { forgetLinks, linkTo, linkToOwn, type Whereabouts } from './client/links.js';
import { registerProxies } from './client/proxies/kinds.js';
import type { ServerLink } from './client/server-link.js';
import { type AnyFunction, registerFunction } from './functions.js';
import { Request, SERVER_ITSELF } from './protocol/protocol.js';
import { registerType, registryOf } from './registrations.js';
import { makeServer, type ServerProcess, startServer } from './server/server-process.js';
import {
  type Callable,
  readRegisterOptions,
  RegisteredType,
  type RegisterOptions,
} from './server/types.js';

registerProxies();

/** Options of a manager. */
export interface ManagerOptions {
  /**
   * Where its server is, or is to be: see `Listener`. Default, for one that is started: on Linux a
   * name that is not in the file system, elsewhere a socket in a directory of this user's.
   */
  address?: Address | undefined;
  /**
   * The key that its clients must have. Default: the key of this process, which its children have,
   * too.
   */
  authkey?: Uint8Array | undefined;
  /**
   * How long `shutdown()` waits before it sends SIGTERM, and then SIGKILL, in ms. Default: 1000.
   */
  shutdownTimeout?: number | undefined;
}

function addressOption(value: unknown): Address {
  familyOf(value, undefined);
  return value as Address;
}

const readOptions = optionsReader<ManagerOptions>('a manager', {
  address: addressOption,
  authkey: bytesOption,
  shutdownTimeout: timeoutOption,
});

/** A server in this process: see {@link BaseManager.getServer}. */
export interface ManagerServer {
  readonly address: Address;
  /** Serves clients, until one of them, or {@link stop}, asks for the end. */
  serveForever(): Promise<void>;
  /** Ends {@link serveForever}. */
  stop(): void;
}

/** For static methods. */
function assertClass(Class: unknown): void {
  if (typeof Class !== 'function') throw invalidThis('typeof BaseManager', Class);
}

function nameOfNoFile(): Address | undefined {
  return process.platform === 'linux' ? `\0truefork-${randomBytes(16).toString('hex')}` : undefined;
}

/** Methods that end a server which does not end by itself, in the order in which they are tried. */
const LAST_RESORTS = ['terminate', 'kill'] as const;
const SHUTDOWN_TIMEOUT_MS = 1000;

/**
 * A server for objects that many processes use, and the way to it. As Python's
 * `multiprocessing.managers.BaseManager`.
 *
 * @example
 * ```ts
 * class Counter {
 *   #count = 0;
 *   increment(by = 1) {
 *     return (this.#count += by);
 *   }
 * }
 *
 * class MyManager extends BaseManager {
 *   declare Counter: () => Counter;
 * }
 * MyManager.register('Counter', Counter);
 *
 * using manager = new MyManager().start();
 * const counter = manager.Counter();
 * await inChild(() => counter.increment());
 * console.log(counter.increment()); // 2
 * ```
 */
export class BaseManager {
  readonly #authkey: Buffer;
  readonly #shutdownTimeout: number;
  #address: Address | undefined;
  #state: 'initial' | 'started' | 'connected' | 'serving' | 'shut down' = 'initial';
  #process: ServerProcess | undefined;
  /** Which server it is, where this process or a parent has started it. */
  #identity: string | undefined;
  #owner = thisProcess;
  #ending: Promise<void> | undefined;
  #knownLink: ServerLink | undefined;

  /** @throws TypeError `ERR_INVALID_ARG_TYPE` */
  constructor(options: ManagerOptions = {}) {
    const { address, authkey, shutdownTimeout = SHUTDOWN_TIMEOUT_MS } = readOptions(options);
    this.#authkey = authkey === undefined ? currentProcess().authkey : Buffer.from(authkey);
    this.#address = address;
    this.#shutdownTimeout = Math.max(0, shutdownTimeout);
  }

  /**
   * Registers a type of objects, with this class of managers and those that extend it; a manager
   * gets a method of that name, which makes one in the server and returns a proxy.
   *
   * **Only what is exposed can be called**, by name, and never anything of Object: whoever knows
   * the key can send data and call that, but no code of his own.
   *
   * @param callable a class, or a function that returns an object, also always the same. It is
   *   called in the server. undefined: for clients of a server that knows it, or for
   *   `methodToTypeid`, where the result itself is the object.
   */
  static register(typeid: string, callable?: Callable, options: RegisterOptions = {}): void {
    assertClass(this);
    const given = readRegisterOptions(options);
    registerType(this, new RegisteredType(typeid, callable, given));
    if (given.createMethod === false) return;
    Object.defineProperty(this.prototype, typeid, {
      value(this: BaseManager, ...args: unknown[]) {
        return this.create(typeid, ...args);
      },
      configurable: true,
      writable: true,
    });
  }

  /**
   * Registers a function that pools of a server can run: see {@link SyncManager.Pool}. Do so before
   * the server starts: it knows what there was then. Every process that knows the key can have it
   * called, with any data.
   *
   * @param name what clients call it that have not registered the function itself; default: its own
   *   name
   */
  static registerFunction(fn: AnyFunction, name?: string): void {
    assertClass(this);
    assertFunction(fn, 'fn');
    registerFunction(this, name ?? fn.name, fn);
  }

  /**
   * Starts the server: a fork of this process, which ignores SIGINT and ends with this process.
   * Returns when it is ready.
   *
   * @param initializer called in the server, before it serves anybody
   * @throws ProcessError `ERR_TRUEFORK_ALREADY_STARTED`, `ERR_TRUEFORK_CLOSED`, and what a fork
   *   throws
   * @throws SystemError `EADDRINUSE` …, and whatever the initializer throws
   */
  start<Args extends unknown[]>(initializer?: (...args: Args) => unknown, ...initArgs: Args): this {
    if (initializer !== undefined) assertFunction(initializer, 'initializer');
    this.#assertInitial();
    const { process: child, ...started } = startServer({
      name: this.constructor.name,
      managerClass: this.constructor,
      address: this.#address ?? nameOfNoFile(),
      authkey: this.#authkey,
      registry: registryOf(this.constructor),
      initialize: () => initializer?.(...initArgs),
    });
    this.#process = child;
    this.#owner = thisProcess;
    this.#address = started.address;
    this.#identity = started.identity;
    this.#state = 'started';
    linkToOwn(this.#whereabouts());
    return this;
  }

  /**
   * Connects to a server that somebody else has started.
   *
   * @throws ProcessError `ERR_TRUEFORK_MANAGER_LOST` if there is none at the address,
   *   AuthenticationError
   */
  async connect(): Promise<this> {
    const link = this.#linkToExisting();
    await link.callAsync(SERVER_ITSELF, Request.numberOfObjects, []);
    this.#state = 'connected';
    return this;
  }

  /** As {@link connect}, and blocks the thread. */
  connectSync(): this {
    this.#linkToExisting().call(SERVER_ITSELF, Request.numberOfObjects, []);
    this.#state = 'connected';
    return this;
  }

  /**
   * A server in this process, for a program that does nothing else: `await
   * manager.getServer().serveForever()`. It listens from here on.
   */
  getServer(): ManagerServer {
    this.#assertInitial();
    const server = makeServer({
      managerClass: this.constructor,
      registry: registryOf(this.constructor),
      address: this.#address ?? nameOfNoFile(),
      authkey: this.#authkey,
    });
    this.#address = server.address;
    this.#state = 'serving';
    return {
      address: server.address,
      serveForever: () => server.serve(),
      stop: () => server.stop(),
    };
  }

  /**
   * Makes an object in the server.
   *
   * @returns its proxy
   * @throws ProcessError `ERR_TRUEFORK_NOT_STARTED`, `ERR_TRUEFORK_CLOSED`,
   *   `ERR_TRUEFORK_NO_SUCH_TYPE`, `ERR_TRUEFORK_MANAGER_LOST`; and what its class throws
   */
  create(typeid: string, ...args: unknown[]): unknown {
    return this.#link().call(SERVER_ITSELF, Request.create, [typeid, ...args]);
  }

  /** As {@link create}, and leaves the event loop free. */
  createAsync(typeid: string, ...args: unknown[]): Promise<unknown> {
    return this.#link().callAsync(SERVER_ITSELF, Request.create, [typeid, ...args]);
  }

  /** How many objects clients have in the server. */
  numberOfObjects(): number {
    return this.#link().call(SERVER_ITSELF, Request.numberOfObjects, []) as number;
  }

  /** A list of these objects, a line each. */
  debugInfo(): string {
    return this.#link().call(SERVER_ITSELF, Request.debugInfo, []) as string;
  }

  /**
   * Ends the server that {@link start} has started: asks it to, and makes it if it does not. All
   * proxies are of no use any more. Does nothing in other processes. May be called again: the
   * promise of each call is resolved when the server has ended.
   */
  async shutdown(): Promise<void> {
    const child = this.#toEnd();
    if (child !== undefined) await (this.#ending ??= this.#end(child));
  }

  /** As {@link shutdown}, and blocks the thread. */
  shutdownSync(): void {
    const child = this.#toEnd();
    if (child === undefined || child.joinSync(0) !== null) return;
    linkTo(this.#whereabouts()).tellShutdown(this.#shutdownTimeout);
    for (const resort of LAST_RESORTS) {
      if (child.joinSync(this.#shutdownTimeout) !== null) break;
      child[resort]();
    }
    child.joinSync();
    forgetLinks(this.#identity!);
  }

  /**
   * Waits until the server that {@link start} has started has ended.
   *
   * @returns its exit code: 0 after {@link shutdown}; null after the timeout
   */
  join(options: number | WaitOptions = {}): Promise<number | null | undefined> {
    return this.#started().join(options);
  }

  /** As {@link join}, and blocks the thread. */
  joinSync(options: number | SyncWaitOptions = {}): number | null | undefined {
    return this.#started().joinSync(options);
  }

  /** Where the server is; undefined before there is one. */
  get address(): Address | undefined {
    return this.#address;
  }

  /** The pid of the server that {@link start} has started, or null. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** For `using`: {@link shutdownSync}. */
  [Symbol.dispose](): void {
    this.shutdownSync();
  }

  /** For `await using`: {@link shutdown}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  #assertInitial(): void {
    if (this.#state === 'initial') return;
    if (this.#state === 'shut down') throw shutDownError();
    throw new ProcessError('ERR_TRUEFORK_ALREADY_STARTED', 'the manager has a server already');
  }

  async #end(child: ServerProcess): Promise<void> {
    const link = linkTo(this.#whereabouts());
    const asked = link.callAsync(SERVER_ITSELF, Request.shutdown, []).catch(() => {});
    for (const resort of LAST_RESORTS) {
      if ((await child.join(this.#shutdownTimeout)) !== null) break;
      child[resort]();
    }
    await child.join();
    forgetLinks(this.#identity!);
    await asked;
  }

  #whereabouts(): Whereabouts {
    const managerClass = this.constructor;
    return {
      address: this.#address!,
      authkey: this.#authkey,
      server: this.#identity,
      managerClass,
    };
  }

  #linkToExisting(): ServerLink {
    if (this.#state !== 'connected') this.#assertInitial();
    if (this.#address !== undefined) return linkTo(this.#whereabouts());
    throw new ProcessError('ERR_TRUEFORK_NOT_STARTED', 'connect() needs an address');
  }

  #link(): ServerLink {
    if (this.#state === 'shut down') throw shutDownError();
    if (this.#state === 'initial' || this.#state === 'serving') {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_STARTED',
        'the manager has no server that could be used from here: call start() or connect()',
      );
    }
    if (this.#knownLink === undefined || this.#knownLink.isLost) {
      this.#knownLink = linkTo(this.#whereabouts());
    }
    return this.#knownLink;
  }

  #started(): ServerProcess {
    if (this.#process !== undefined) return this.#process;
    throw new ProcessError('ERR_TRUEFORK_NOT_STARTED', 'the manager has not started a server');
  }

  /** The server, if it is this process's to end. */
  #toEnd(): ServerProcess | undefined {
    if (this.#process === undefined || this.#owner !== thisProcess) return undefined;
    this.#state = 'shut down';
    return this.#process;
  }

  static {
    checkReceivers(this, (object) => #authkey in object);
  }
}

function shutDownError(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_CLOSED', 'the manager has shut down');
}
