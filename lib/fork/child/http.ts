// Connections that the parent's HTTP clients keep for later are the parent's. The
// child's requests must not be written to them: they are at rest here.
import type { Agent } from 'node:http';
import { createRequire } from 'node:module';
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';

interface AgentInternals {
  sockets: Record<string, unknown>;
  freeSockets: Record<string, unknown>;
  requests: Record<string, unknown>;
  totalSocketCount: number;
  addRequest(...args: unknown[]): unknown;
}

/** Agents that know only connections of this process. */
let own = new WeakSet<AgentInternals>();
let isInstalled = false;

function forgetSockets(agent: AgentInternals): void {
  for (const table of [agent.sockets, agent.freeSockets, agent.requests]) {
    for (const key of Object.keys(table)) delete table[key];
  }
  agent.totalSocketCount = 0;
}

/** Nobody can list the agents of a program. But all of them go through this method. */
function forgetSocketsWhenUsed(prototype: AgentInternals): void {
  const { addRequest } = prototype;
  prototype.addRequest = function (this: AgentInternals, ...args) {
    if (!own.has(this)) forgetSockets(this);
    own.add(this);
    return Reflect.apply(addRequest, this, args);
  };
}

function forgetAgents(): void {
  own = new WeakSet();
  const { moduleLoadList } = process as typeof process & { moduleLoadList: string[] };
  if (isInstalled || !moduleLoadList.includes('NativeModule _http_agent')) return;
  isInstalled = true;
  const http = createRequire(import.meta.url)('node:http') as { Agent: typeof Agent };
  forgetSocketsWhenUsed(http.Agent.prototype as unknown as AgentInternals);
}

/** Where undici, the HTTP client behind fetch(), keeps its agent. */
const DISPATCHER = Symbol.for('undici.globalDispatcher.2');
const LEGACY_DISPATCHER = Symbol.for('undici.globalDispatcher.1');

type Dispatchers = Record<symbol, object | undefined>;

/** A new agent with the options of `agent`, but none of its connections. */
function likeNew(agent: object): object {
  const options = Object.getOwnPropertySymbols(agent).find(
    ({ description }) => description === 'options',
  );
  const { constructor } = agent as { constructor: new (options?: unknown) => object };
  return new constructor(options && Reflect.get(agent, options));
}

/** An agent that the program made itself stays: only the program can make another. */
function forgetDispatcher(parserIsPending: boolean): void {
  const globals = globalThis as unknown as Dispatchers;
  const agent = globals[DISPATCHER];
  const legacy = globals[LEGACY_DISPATCHER];
  if (agent?.constructor.name === 'Agent') globals[DISPATCHER] = likeNew(agent);
  if (legacy === undefined) return;
  if (legacy === agent) {
    globals[LEGACY_DISPATCHER] = globals[DISPATCHER];
  } else if (legacy.constructor.name === 'Agent') {
    globals[LEGACY_DISPATCHER] = parserIsPending ? undefined : likeNew(legacy);
  } else if (legacy.constructor.name === 'Dispatcher1Wrapper') {
    const { constructor } = legacy as { constructor: new (agent: unknown) => object };
    globals[LEGACY_DISPATCHER] = new constructor(globals[DISPATCHER]);
  }
}

/** Call it in the child. */
export function forgetConnections(parserIsPending: boolean): void {
  forgetAgents();
  forgetDispatcher(parserIsPending);
}

precompileForChildren(forgetConnections, forgetAgents, forgetDispatcher);
