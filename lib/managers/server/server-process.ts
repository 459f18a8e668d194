// A server in a process of its own.
import { randomBytes } from 'node:crypto';
import { ProcessError } from '../../common/errors.js';
import { process } from '../../common/originals.js';
import type { Address } from '../../connection/address.js';
import type { Connection } from '../../connection/connection.js';
import { BINDING, type BoundOptions } from '../../connection/handshake.js';
import { Listener, type ListenerOptions } from '../../connection/listener.js';
import { Pipe } from '../../connection/pipe.js';
import { exit } from '../../fork/leave.js';
import { currentProcess, Process } from '../../process/process.js';
import { Server } from './server.js';
import type { Registry } from './types.js';

const BACKLOG = 1024;

export interface ServerPlan {
  name: string;
  managerClass: object;
  address: Address | undefined;
  authkey: Uint8Array;
  registry: Registry;
  initialize: () => unknown;
}

type Parts = Pick<ServerPlan, 'managerClass' | 'registry' | 'address' | 'authkey'>;

/** Where a server is, and which one it is. */
export interface Started {
  address: Address;
  identity: string;
}

/** Others are of no use without it, so that it ends with its parent; it may have children. */
export class ServerProcess extends Process {
  constructor(name: string, target: () => unknown) {
    super({ target });
    this.name = this.name.replace(/^[^-]+/, name);
  }

  protected override get endsWithParent(): boolean {
    return true;
  }
}

/** A server that listens from here on. */
export function makeServer({ managerClass, registry, address, authkey }: Parts): Server {
  const identity = randomBytes(16).toString('hex');
  const options: ListenerOptions & BoundOptions = {
    authkey,
    backlog: BACKLOG,
    [BINDING]: { server: identity },
  };
  const listener = new Listener(address, options);
  return new Server({ managerClass, registry, listener, identity, authkey });
}

async function serve(plan: ServerPlan, writer: Connection): Promise<never> {
  // Ctrl-C reaches all processes of a terminal. Its clients may still have to tidy up.
  process.on('SIGINT', () => {});
  let server: Server;
  try {
    // Its own children may call it.
    currentProcess().authkey = plan.authkey;
    await plan.initialize();
    server = makeServer(plan);
  } catch (error) {
    writer.sendSync(error);
    return exit(1);
  }
  const { address, identity } = server;
  writer.sendSync({ address, identity } satisfies Started);
  writer.close();
  await server.serve();
  return exit(0);
}

/** Starts a server, and waits until it is ready. @throws what its initializer throws */
export function startServer(plan: ServerPlan): Started & { process: ServerProcess } {
  const [reader, writer] = Pipe(false);
  const child = new ServerProcess(plan.name, () => {
    reader.close();
    return serve(plan, writer);
  });
  try {
    child.start();
    writer.close();
    return { process: child, ...receiveReport(reader, child) };
  } finally {
    writer.close();
    reader.close();
  }
}

function receiveReport(reader: Connection, child: Process): Started {
  let report: unknown;
  try {
    report = reader.recvSync();
  } catch (cause) {
    child.joinSync();
    throw new ProcessError(
      'ERR_TRUEFORK_MANAGER_LOST',
      `the manager's server ended before it was ready (${child.exitSignal ?? child.exitcode})`,
      { cause },
    );
  }
  if (!(report instanceof Error)) return report as Started;
  child.joinSync();
  throw report;
}
