// Node's own state that a forked child must not share with its parent: queues of
// timers, immediates and ticks, and caches of random bytes. Node keeps them in
// variables of its modules; a debugger can look into the scope of a function, and
// so can a program into its own, through node:inspector and without an open port.
import crypto from 'node:crypto';
import { createRequire, isBuiltin } from 'node:module';
import type { Writable } from 'node:stream';
import { ProcessError } from '../common/errors.js';
import {
  clearTimeout,
  nextTick,
  nodeGlobal,
  PerformanceObserver,
  process,
  setTimeout,
} from '../common/originals.js';

/** A timer as the queues of Node hold it. */
export interface QueuedTimer {
  _idlePrev: QueuedTimer | null;
  _idleTimeout: number;
  _onTimeout: unknown;
  _timerArgs: unknown;
}

export interface QueuedImmediate {
  _idleNext: QueuedImmediate | null;
}

/** The function that the event loop calls. */
export interface TimerCallbacks {
  processImmediate(): void;
  processTimers(now: number): number;
}

/** Node's modules that are written in C++. */
interface NodeBindings {
  timers: {
    setupTimers(
      processImmediate: TimerCallbacks['processImmediate'],
      processTimers: TimerCallbacks['processTimers'],
    ): void;
  };
  process_methods: { reallyExit(code: number): never };
}

export interface ModuleJob {
  module?: { getStatus(): number };
}

/** Of Node's own modules, what is used here. */
export interface InternalModules {
  'internal/timers': { getTimerCallbacks(tick: () => void): TimerCallbacks };
  'internal/bootstrap/realm': {
    BuiltinModule: new (id: string) => { compileForInternalLoader(): unknown };
  };
  'internal/deps/undici/undici': { fetch: unknown };
  'internal/modules/esm/loader': {
    getOrInitializeCascadedLoader(): {
      /** By URL, then by type: what loads a module, or has loaded it. */
      loadCache: Map<string, Record<string, ModuleJob | (() => unknown)>>;
    };
  };
  'internal/modules/esm/hooks': Record<string, { prototype?: object }>;
  'internal/util': { emitExperimentalWarning: unknown };
}

export interface NodeInternals {
  /** By duration: the head of a ring of timers. */
  timerListMap: Record<string, QueuedTimer>;
  /** [0]: how many timers keep the loop alive. */
  timeoutInfo: Int32Array;
  immediateQueue: { head: QueuedImmediate | null };
  /**
   * How many immediates there are, how many keep the loop alive, and whether some are left over.
   */
  immediateInfo: Uint32Array;
  /** process.nextTick()'s. */
  queue: { shift(): unknown };
  runNextTicks(): void;
  /** Whether there are ticks, and whether there are rejections to report. */
  tickInfo: Uint8Array;
  /** Reports the promises that were rejected and have no handler. */
  processPromiseRejections(): boolean;
  clearAsyncIdStack(): void;
  /**
   * As of Node 26: what is called with exceptions that nobody has caught, beside the one that a
   * program sets.
   */
  exceptionHandlerState?: { auxiliaryCallbacks?: unknown[] };
  /** Node's own modules, also those that no program can import. */
  requireBuiltin<Id extends keyof InternalModules>(id: Id): InternalModules[Id];
  internalBinding<Name extends keyof NodeBindings>(name: Name): NodeBindings[Name];
  /** The random bytes that the next calls of crypto.randomUUID() use. */
  uuidData: Uint8Array;
  /** The same for crypto.randomInt(). */
  randomCache: Uint8Array;
  /** The experimental features that have been used. */
  experimentalWarnings?: Set<string>;
  /** The PerformanceObservers that observe something, and those with news for their callbacks. */
  kObservers?: Set<PerformanceObserver>;
  kPending?: Set<Record<symbol, () => void>>;
  /** The name of the method that calls the callback. */
  kDispatch?: symbol;
  /** The stream behind `process.stdout`, if it was used when this was read. */
  stdout?: Writable;
  stderr?: Writable;
}

type Variables = Record<string, unknown>;

interface RemoteObject {
  objectId?: string;
  description?: string;
  /** Of a place in a file. */
  value?: { scriptId?: string };
}
interface Property {
  name: string;
  value?: RemoteObject;
}

// Where the session finds what it is to look at, and puts what it finds.
const BRIDGE = Symbol.for('truefork.node-internals');
const BRIDGE_EXPRESSION = `globalThis[Symbol.for(${JSON.stringify(BRIDGE.description)})]`;
interface ScopeBridge {
  subject: unknown;
  found: object[];
}

/** Reads the variables of functions. Close it: meanwhile this program is debugged by itself. */
export class ScopeReader {
  readonly #session: import('node:inspector').Session;
  readonly #bridge: ScopeBridge = { subject: undefined, found: [] };

  constructor() {
    // Not imported: a Node without an inspector does not have the module.
    const { Session } = createRequire(import.meta.url)(
      'node:inspector',
    ) as typeof import('node:inspector');
    this.#session = new Session();
    this.#session.connect();
    Object.defineProperty(nodeGlobal, BRIDGE, { value: this.#bridge, configurable: true });
  }

  /** A number for the file that the function `fn` stands in; undefined if it stands in none. */
  fileOf(fn: unknown): string | undefined {
    return this.#internalsOf(fn).get('[[FunctionLocation]]')?.value?.scriptId;
  }

  /** The variables that the function `fn` sees, apart from globals. */
  read(fn: unknown): Variables {
    const scopes = this.#internalsOf(fn).get('[[Scopes]]')!;
    for (const { value } of this.#propertiesOf(scopes).result) {
      if (value?.objectId === undefined || value.description === 'Global') continue;
      this.#bring(value.objectId, 'this.object');
    }
    // The innermost comes first, and hides the others.
    const variables: Variables = {};
    for (const scope of this.#bridge.found.toReversed()) Object.assign(variables, scope);
    return variables;
  }

  /** All objects of a prototype. V8 collects garbage first. */
  instancesOf(prototype: object): object[] {
    const { objectId } = this.#lookAt(prototype);
    const { objects } = this.#post<{ objects: RemoteObject }>('Runtime.queryObjects', {
      prototypeObjectId: objectId,
    });
    this.#bring(objects.objectId!, 'this');
    return this.#bridge.found[0] as object[];
  }

  close(): void {
    Reflect.deleteProperty(nodeGlobal, BRIDGE);
    this.#session.disconnect();
  }

  #internalsOf(fn: unknown): Map<string, RemoteObject> {
    const { internalProperties = [] } = this.#propertiesOf(this.#lookAt(fn));
    return new Map(internalProperties.map(({ name, value }) => [name, value!]));
  }

  #lookAt(subject: unknown): RemoteObject {
    Object.assign(this.#bridge, { subject, found: [] });
    const { result } = this.#post<{ result: RemoteObject }>('Runtime.evaluate', {
      expression: `${BRIDGE_EXPRESSION}.subject`,
    });
    return result;
  }

  #bring(objectId: string, expression: string): void {
    const functionDeclaration = `function () { ${BRIDGE_EXPRESSION}.found.push(${expression}); }`;
    this.#post('Runtime.callFunctionOn', { objectId, functionDeclaration });
  }

  #propertiesOf({ objectId }: RemoteObject): {
    result: Property[];
    internalProperties?: Property[];
  } {
    return this.#post('Runtime.getProperties', { objectId, ownProperties: true });
  }

  // In a session with the own thread the answer comes before post() returns.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what it is, the method says
  #post<Answer>(method: string, params: object): Answer {
    let answer: unknown;
    let failure: Error | null = null;
    this.#session.post(method, params, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure !== null) throw failure as Error;
    return answer as Answer;
  }
}

function getterOf(name: 'stdout' | 'stderr'): unknown {
  return Object.getOwnPropertyDescriptor(process, name)?.get;
}

// As Node made them: others may put something in their place later.
const { _fatalException: fatalException } = process as typeof process & {
  _fatalException: unknown;
};
const getStdout = getterOf('stdout');

function readAll(reader: ScopeReader): Variables {
  // The caches exist once they have been used.
  crypto.randomUUID();
  crypto.randomInt(2);
  const timer = setTimeout(() => {}, 0);
  clearTimeout(timer);
  const functions = [
    nextTick,
    clearTimeout,
    Reflect.get(timer, 'unref'),
    fatalException,
    isBuiltin,
    crypto.randomUUID,
    getStdout,
    Reflect.get(PerformanceObserver.prototype, 'disconnect'),
  ];
  const found = {} as NodeInternals;
  for (const fn of functions) Object.assign(found, reader.read(fn));
  const { emitExperimentalWarning } = found.requireBuiltin('internal/util');
  return { ...found, ...reader.read(emitExperimentalWarning) };
}

const REQUIRED = [
  'timerListMap',
  'timeoutInfo',
  'immediateQueue',
  'immediateInfo',
  'queue',
  'runNextTicks',
  'requireBuiltin',
  'internalBinding',
  'tickInfo',
  'processPromiseRejections',
  'clearAsyncIdStack',
  'uuidData',
  'randomCache',
] as const satisfies (keyof NodeInternals)[];

let internals: NodeInternals | undefined;

function withReader<Result>(use: (reader: ScopeReader) => Result): Result {
  const reader = new ScopeReader();
  try {
    return use(reader);
  } finally {
    reader.close();
  }
}

/** The variables that a function of Node's sees. Takes some milliseconds. */
export function variablesOf(fn: unknown): Record<string, unknown> {
  return withReader((reader) => reader.read(fn));
}

/** All objects of a prototype that are alive: takes as long as a garbage collection. */
export function instancesOf<Instance extends object>(prototype: Instance): Instance[] {
  return withReader((reader) => reader.instancesOf(prototype)) as Instance[];
}

/** Why there is nothing to be seen. */
function unsupported(missing: readonly string[], cause: unknown): ProcessError {
  const isDenied = (cause as NodeJS.ErrnoException | undefined)?.code === 'ERR_ACCESS_DENIED';
  const reason = isDenied
    ? 'what a child must not share with its parent is found through node:inspector, which --permission ' +
      'forbids; run with --allow-inspector, as of Node 24, or without --permission'
    : `Node ${process.version} does not show its ${missing.join(', ')}; truefork needs Node 20, 22, 24 or ` +
      '26, built with the inspector';
  return new ProcessError('ERR_TRUEFORK_UNSUPPORTED', `cannot fork: ${reason}`, { cause });
}

/**
 * Node's own state. The first call takes a few milliseconds, later ones nothing.
 *
 * @throws ProcessError `ERR_TRUEFORK_UNSUPPORTED` if this Node keeps it elsewhere.
 */
export function nodeInternals(): NodeInternals {
  if (internals !== undefined) return internals;
  let found: Variables = {};
  let cause: unknown;
  try {
    found = withReader(readAll);
  } catch (error) {
    cause = error;
  }
  const missing = REQUIRED.filter((name) => found[name] === undefined);
  if (missing.length > 0) throw unsupported(missing, cause);
  internals = found as unknown as NodeInternals;
  return internals;
}
