// The way to a manager's server: a connection, and a handshake with that server and no other.
import { AbortError, AuthenticationError, ProcessError } from '../../common/errors.js';
import type { Deadline } from '../../common/waiting.js';
import type { Address } from '../../connection/address.js';
import { Client, ClientSync, type ClientOptions } from '../../connection/client.js';
import type { Connection } from '../../connection/connection.js';
import {
  type Binding,
  BINDING,
  type BoundOptions,
  WrongServerError,
} from '../../connection/handshake.js';
import { close, dup } from '../../posix/descriptors.js';
import { Wire } from '../protocol/wire.js';

/** How long a server may take until it serves one who connects. */
export const CONNECT_TIMEOUT_MS = 20_000;

/**
 * How often to connect to a server that closes the connection: this process was slow, or there were
 * too many.
 */
const TRIES = 3;

/** Where a server is, and what to show it. */
export interface Destination {
  readonly address: Address;
  readonly authkey: Uint8Array;
  readonly binding: Binding;
}

export function lostError(cause: unknown): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_MANAGER_LOST',
    "the manager's server cannot be reached: it was shut down, or has died",
    { cause },
  );
}

/** Whether an error says more than that the server is lost. */
function isTelling(error: unknown): boolean {
  if (error instanceof WrongServerError) return false;
  return error instanceof AuthenticationError || error instanceof AbortError;
}

/** Codes of a handshake in the middle of which the server has closed the connection. */
const DROPPED = new Set<unknown>([
  'EPIPE',
  'ECONNRESET',
  'ERR_TRUEFORK_EOF',
  'ERR_TRUEFORK_TRUNCATED',
]);

/** Throws what it means that one could not connect, if that is not worth another try. */
function judge(error: unknown, tries: number): void {
  if (DROPPED.has((error as { code?: unknown }).code) && tries < TRIES) return;
  throw isTelling(error) ? error : lostError(error);
}

/** Takes the descriptor out of a connection. */
function takeOver(connection: Connection): Wire {
  const fd = dup(connection.fileno());
  connection.close();
  try {
    return new Wire(fd);
  } catch (error) {
    close(fd);
    throw error;
  }
}

function optionsFor({ authkey, binding }: Destination, deadline: Deadline): ClientOptions {
  const options: ClientOptions & BoundOptions = {
    authkey,
    timeout: deadline.left,
    [BINDING]: binding,
  };
  return options;
}

/** @throws AuthenticationError; ProcessError `ERR_TRUEFORK_MANAGER_LOST` */
export async function connect(destination: Destination, deadline: Deadline): Promise<Wire> {
  for (let tries = 1; ; tries++) {
    try {
      return takeOver(await Client(destination.address, optionsFor(destination, deadline)));
    } catch (error) {
      judge(error, tries);
    }
  }
}

/** As {@link connect}, and blocks the thread. */
export function connectSync(destination: Destination, deadline: Deadline): Wire {
  for (let tries = 1; ; tries++) {
    try {
      return takeOver(ClientSync(destination.address, optionsFor(destination, deadline)));
    } catch (error) {
      judge(error, tries);
    }
  }
}
