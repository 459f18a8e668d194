// A server in a process of its own.
import type { Address } from '../connection/address.js';
import { Listener } from '../connection/listener.js';
import { Pipe } from '../connection/pipe.js';
import type { Connection } from '../connection/connection.js';
import { ProcessError } from '../errors.js';
import { currentProcess, Process } from '../process.js';
import { Server } from './server.js';
import type { Registry } from './types.js';

const BACKLOG = 1024;

export interface ServerPlan {
  name: string;
  address: Address | undefined;
  authkey: Uint8Array;
  registry: Registry;
  initialize: () => unknown;
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

export function listen(address: Address | undefined, authkey: Uint8Array): Listener {
  return new Listener(address, { authkey, backlog: BACKLOG });
}

async function serve(plan: ServerPlan, writer: Connection): Promise<never> {
  // Ctrl-C reaches all processes of a terminal. Its clients may still have to tidy up.
  process.on('SIGINT', () => {});
  let server: Server;
  try {
    // What it forks may call it.
    currentProcess().authkey = plan.authkey;
    await plan.initialize();
    server = new Server(plan.registry, listen(plan.address, plan.authkey), plan.authkey);
  } catch (error) {
    writer.sendSync(error);
    return process.exit(1);
  }
  writer.sendSync({ address: server.address });
  writer.close();
  await server.serve();
  return process.exit(0);
}

/** Starts a server, and waits until it is ready. @throws what its initializer throws */
export function startServer(plan: ServerPlan): { process: ServerProcess; address: Address } {
  const [reader, writer] = Pipe(false);
  const child = new ServerProcess(plan.name, () => {
    reader.close();
    return serve(plan, writer);
  });
  try {
    child.start();
    writer.close();
    return { process: child, address: receiveAddress(reader, child) };
  } finally {
    writer.close();
    reader.close();
  }
}

function receiveAddress(reader: Connection, child: Process): Address {
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
  if (!(report instanceof Error)) return (report as { address: Address }).address;
  child.joinSync();
  throw report;
}
