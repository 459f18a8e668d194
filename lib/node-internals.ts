// Node's own state that a forked child must not share with its parent: queues of
// timers, immediates and ticks, and caches of random bytes. Node keeps them in
// variables of its modules; a debugger can look into the scope of a function, and
// so can a program into its own, through node:inspector and without an open port.
import crypto from 'node:crypto';
import { createRequire, isBuiltin } from 'node:module';
import type { Writable } from 'node:stream';
import { clearTimeout, setTimeout } from 'node:timers';
import { ProcessError } from './errors.js';

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

/** What the event loop calls. */
export interface TimerCallbacks {
  processImmediate(): void;
  processTimers(now: number): number;
}

export interface NodeInternals {
  /** By duration: the head of a ring of timers. */
  timerListMap: Record<string, QueuedTimer>;
  /** [0]: how many timers keep the loop alive. */
  timeoutInfo: Int32Array;
  immediateQueue: { head: QueuedImmediate | null };
  /** How many immediates there are, how many keep the loop alive, and whether some are left over. */
  immediateInfo: Uint32Array;
  /** process.nextTick()'s. */
  queue: { shift(): unknown };
  runNextTicks(): void;
  /** Whether there are ticks, and whether there are rejections to report. */
  tickInfo: Uint8Array;
  /** Reports the promises that were rejected and have no handler. */
  processPromiseRejections(): boolean;
  clearAsyncIdStack(): void;
  /** Node's own modules, also those that no program can import. */
  requireBuiltin(id: 'internal/timers'): { getTimerCallbacks(tick: () => void): TimerCallbacks };
  /** What is written in C++. */
  internalBinding(name: 'timers'): {
    setupTimers(
      processImmediate: TimerCallbacks['processImmediate'],
      processTimers: TimerCallbacks['processTimers'],
    ): void;
  };
  /** The random bytes that the next calls of crypto.randomUUID() use. */
  uuidData: Uint8Array;
  /** The same for crypto.randomInt(). */
  randomCache: Uint8Array;
  /** The stream behind `process.stdout`, if it was used when this was read. */
  stdout?: Writable;
  stderr?: Writable;
}

type Variables = Record<string, unknown>;

interface RemoteObject {
  objectId?: string;
  description?: string;
}
interface Property {
  name: string;
  value?: RemoteObject;
}

// Where the session finds our functions, and puts what it finds for us.
const DESK = Symbol.for('truefork.node-internals');
interface Desk {
  fn: unknown;
  scopes: Variables[];
}

class ScopeReader {
  readonly #session: import('node:inspector').Session;
  readonly #desk: Desk = { fn: undefined, scopes: [] };

  constructor() {
    // Not imported: a Node without an inspector does not have the module.
    const { Session } = createRequire(import.meta.url)(
      'node:inspector',
    ) as typeof import('node:inspector');
    this.#session = new Session();
    this.#session.connect();
    Object.defineProperty(globalThis, DESK, { value: this.#desk, configurable: true });
  }

  /** The variables that the function `fn` sees, apart from globals. */
  read(fn: unknown): Variables {
    this.#desk.fn = fn;
    this.#desk.scopes = [];
    const desk = `globalThis[Symbol.for(${JSON.stringify(DESK.description)})]`;
    const { result } = this.#post<{ result: RemoteObject }>('Runtime.evaluate', {
      expression: `${desk}.fn`,
    });
    const { internalProperties } = this.#propertiesOf(result);
    const scopes = internalProperties!.find(({ name }) => name === '[[Scopes]]')!.value!;
    for (const { value } of this.#propertiesOf(scopes).result) {
      if (value?.objectId === undefined || value.description === 'Global') continue;
      this.#post('Runtime.callFunctionOn', {
        objectId: value.objectId,
        functionDeclaration: `function () { ${desk}.scopes.push(this.object); }`,
      });
    }
    // The innermost comes first, and hides the others.
    return Object.assign({}, ...this.#desk.scopes.toReversed()) as Variables;
  }

  close(): void {
    Reflect.deleteProperty(globalThis, DESK);
    this.#session.disconnect();
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
const { nextTick, _fatalException: fatalException } = process as typeof process & {
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
  ];
  return Object.assign({}, ...functions.map((fn) => reader.read(fn))) as Variables;
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
    const reader = new ScopeReader();
    try {
      found = readAll(reader);
    } finally {
      reader.close();
    }
  } catch (error) {
    cause = error;
  }
  const missing = REQUIRED.filter((name) => found[name] === undefined);
  if (missing.length > 0) {
    throw new ProcessError(
      'ERR_TRUEFORK_UNSUPPORTED',
      `cannot fork: Node ${process.version} does not show its ${missing.join(', ')}; ` +
        'truefork needs Node 20, 22, 24 or 26, built with the inspector',
      { cause },
    );
  }
  internals = found as unknown as NodeInternals;
  return internals;
}
