// Descriptors for messages that go where none can go along: a thread of this process keeps
// duplicates, and gives them to the one process that comes with their token.
import { randomBytes, randomUUID } from 'node:crypto';
import { constants } from 'node:os';
import { check, ProcessError, systemError, type SystemError } from '../common/errors.js';
import { process } from '../common/originals.js';
import { onForkedChild, thisProcess } from '../common/per-process.js';
import { PrivateDirectory } from '../common/private-directory.js';
import { Deadline, sleepSync } from '../common/waiting.js';
import { registerAtFork } from '../fork/at-fork.js';
import { OwnDescriptor } from '../fork/own-descriptor.js';
import { nativeIo } from '../native/io.js';
import { close } from '../posix/descriptors.js';
import { READABLE, waitUntilReady, WRITABLE } from '../posix/poller.js';
import { Connecting, listenOn, tryReceive, trySendFds, wereLost } from '../posix/sockets.js';

/** The names in a message of the descriptors that belong to it. */
export interface Ticket {
  /** Where the thread listens. */
  readonly name: string;
  readonly token: Uint8Array;
  /** How many there are. */
  readonly count: number;
}

const TOKEN_BYTES = 16;
const MAX_DESCRIPTORS = 2 ** 16;
const BACKLOG = 128;
/** How long the thread may take to answer, in milliseconds. It does nothing else. */
const ANSWER_TIMEOUT_MS = 10_000;

let name: string | undefined;

onForkedChild(() => {
  nativeIo.abandonFdBroker();
  name = undefined;
});
registerAtFork({
  before: () => nativeIo.holdFdBroker(),
  afterInParent: () => nativeIo.releaseFdBroker(),
});

/** Linux has names that nobody has to remove. */
function newName(): string {
  if (process.platform === 'linux') return `\0truefork-${randomUUID()}`;
  const directory = new PrivateDirectory();
  const owner = thisProcess;
  process.on('exit', () => {
    if (owner === thisProcess) directory.remove();
  });
  return directory.socketPath;
}

function isName(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  return process.platform !== 'linux' || /^\0truefork-[\da-f-]{36}$/.test(value);
}

/** Starts the thread, once in each process. */
function start(): string {
  const where = newName();
  const fd = listenOn(where, BACKLOG);
  const error = nativeIo.startFdBroker(fd);
  if (error < 0) {
    close(fd);
    throw systemError(error, 'pthread_create');
  }
  return where;
}

/**
 * Keeps duplicates of `fds` until somebody comes for them.
 *
 * @throws SystemError `EMFILE`, `EAGAIN`
 */
export function entrust(fds: readonly number[]): Ticket {
  name ??= start();
  const token = randomBytes(TOKEN_BYTES);
  check(nativeIo.entrustFds(token, Int32Array.from(fds)), 'dup');
  return { name, token, count: fds.length };
}

/** Nobody will come. */
export function revoke({ token }: Ticket): void {
  nativeIo.revokeFds(token);
}

/** Tickets of which one can know together that nobody will come. */
export class TicketGroup {
  static #count = 0;
  readonly #number = ++TicketGroup.#count;

  add({ token }: Ticket): void {
    nativeIo.groupFds(token, this.#number);
  }

  /** Whether nobody is expected any more. */
  get isEmpty(): boolean {
    return !nativeIo.hasFdGroup(this.#number);
  }

  revoke(): void {
    nativeIo.revokeFdGroup(this.#number);
  }
}

function lost(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_HANDLE_LOST',
    'what came with this message is gone: its sender has ended, or it was received before',
  );
}

function timedOut(): SystemError {
  return systemError(-constants.errno.ETIMEDOUT, 'connect');
}

function awaitEvent(fd: number, event: number, deadline: Deadline): void {
  if (!waitUntilReady(fd, event, deadline.left)) throw timedOut();
}

function connectTo(where: string, deadline: Deadline): OwnDescriptor {
  const connecting = new Connecting(where);
  const descriptor = new OwnDescriptor(connecting.fd);
  try {
    while (!connecting.step()) {
      if (deadline.isOver) throw timedOut();
      sleepSync(1);
    }
    return descriptor;
  } catch (error) {
    descriptor.close();
    const { code } = error as SystemError;
    throw code === 'ECONNREFUSED' || code === 'ENOENT' ? lost() : error;
  }
}

function receiveAll(fd: number, count: number, fds: number[], deadline: Deadline): void {
  const reply = Buffer.alloc(1);
  while (fds.length < count) {
    awaitEvent(fd, READABLE, deadline);
    const length = tryReceive(fd, reply, 0, 1, fds);
    if (wereLost(fds)) throw systemError(-constants.errno.EMFILE, 'recvmsg');
    if (length === 0 || (length === 1 && reply[0] !== 0)) throw lost();
  }
}

export function isTicket(value: unknown): value is Ticket {
  const { name: where, token, count } = value as Partial<Ticket>;
  const isCount = Number.isInteger(count) && count! > 0 && count! < MAX_DESCRIPTORS;
  return isName(where) && token instanceof Uint8Array && token.length === TOKEN_BYTES && isCount;
}

/**
 * Gets what somebody has entrusted to the thread of its process. Blocks the thread, for as long as
 * that takes to answer.
 *
 * @throws ProcessError `ERR_TRUEFORK_HANDLE_LOST`
 * @throws SystemError `EMFILE`
 */
export function redeem({ name: where, token, count }: Ticket): number[] {
  const deadline = new Deadline(ANSWER_TIMEOUT_MS);
  const descriptor = connectTo(where, deadline);
  const fds: number[] = [];
  try {
    // The name of one that has ended could be somebody else's by now.
    if (nativeIo.peerUid(descriptor.fd) !== process.geteuid!()) throw lost();
    awaitEvent(descriptor.fd, WRITABLE, deadline);
    trySendFds(descriptor.fd, token, new Uint8Array(0), []);
    receiveAll(descriptor.fd, count, fds, deadline);
    return fds;
  } catch (error) {
    for (const fd of fds) if (fd >= 0) close(fd);
    throw (error as SystemError).code === 'EPIPE' ? lost() : error;
  } finally {
    descriptor.close();
  }
}
