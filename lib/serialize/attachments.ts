// Attachments of a message: descriptors and memory that go along with its bytes.
import { constants } from 'node:os';
import { ProcessError, systemError } from '../common/errors.js';
import { close } from '../posix/descriptors.js';
import { descriptorOf, mapDescriptor } from '../posix/memory.js';
import { wereLost } from '../posix/sockets.js';
import { entrust, isTicket, redeem, type Ticket } from './fd-broker.js';
import { closeFds } from './frames.js';
import type { FdTransport, Delivered, Attachments } from './shareables.js';

const REFUSED =
  'the system refuses memfd_create(2): an old kernel, or a sandbox, which has to allow it';

/** Why memory has no descriptor, by the name of the errno. */
const REASONS: Record<string, string> = {
  EMFILE: 'when it was made too many descriptors were in use. Raise their limit (ulimit -n)',
  EFBIG: 'it is larger than the limit for files. Raise that (ulimit -f)',
  EBADF: 'somebody has closed its descriptor',
  EPERM: REFUSED,
  EACCES: REFUSED,
  ENOSYS: REFUSED,
};

/** @param errno that with which the making of the descriptor has failed */
export function noDescriptor(what: string, errno: number): ProcessError {
  const cause = systemError(errno, 'memfd_create');
  const reason = REASONS[cause.code] ?? 'no descriptor could be made for it';
  return new ProcessError(
    'ERR_TRUEFORK_NOT_SHAREABLE',
    `this ${what} cannot be sent, and only children have it: ${reason} (${cause.code})`,
    { cause },
  );
}

export class OutgoingAttachments implements Attachments {
  readonly #fds: number[] = [];
  readonly #memory = new Map<ArrayBuffer, number>();
  readonly transport: FdTransport;
  /** The part of the message that names descriptors which go apart from it. */
  ticket: Ticket | undefined;
  /** Functions to call if it is not sent. */
  readonly undos: (() => void)[] = [];

  constructor(transport: FdTransport) {
    this.transport = transport;
  }

  /** Beside the bytes. */
  get fds(): readonly number[] {
    return this.ticket === undefined ? this.#fds : [];
  }

  descriptor(fd: number): number {
    if (this.transport !== 'impossible') return this.#fds.push(fd) - 1;
    throw new ProcessError(
      'ERR_TRUEFORK_NOT_SHAREABLE',
      'this cannot be sent through TCP: it exists on this machine only',
    );
  }

  memory(buffer: ArrayBuffer): number {
    let number = this.#memory.get(buffer);
    if (number !== undefined) return number;
    const fd = descriptorOf(buffer);
    if (fd < 0) throw noDescriptor('memory', fd);
    this.#memory.set(buffer, (number = this.descriptor(fd)));
    return number;
  }

  onDiscard(undo: () => void): void {
    this.undos.push(undo);
  }

  /** There will be no more of them. @throws SystemError */
  close(): void {
    const isApart = this.transport === 'apart' || this.transport === 'managed';
    if (isApart && this.#fds.length > 0) this.ticket = entrust(this.#fds);
  }
}

function badMessage(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', 'the message refers to what did not come');
}

export class DeliveredAttachments implements Delivered {
  /** Unclaimed descriptors; a claimed one is replaced by undefined. */
  #fds: (number | undefined)[];
  #ticket: Ticket | undefined;
  readonly #memory = new Map<unknown, ArrayBuffer>();

  /** @param fds this object's from now on */
  constructor(fds: readonly number[]) {
    this.#fds = [...fds];
  }

  /** @param ticket what the message says */
  expect(ticket: unknown): void {
    if (ticket === undefined) return;
    if (!isTicket(ticket)) throw badMessage();
    this.#ticket = ticket;
  }

  descriptor(number: unknown): number {
    this.#fetch();
    const fd = this.#fds[number as number];
    if (fd === undefined) throw badMessage();
    this.#fds[number as number] = undefined;
    return fd;
  }

  memory(number: unknown, fresh = false): ArrayBuffer {
    const known = this.#memory.get(number);
    if (known !== undefined) return known;
    const fd = this.descriptor(number);
    try {
      const buffer = mapDescriptor(fd, fresh);
      this.#memory.set(number, buffer);
      return buffer;
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /** Closes what nobody has claimed. */
  drop(): void {
    closeFds(this.#fds.filter((fd) => fd !== undefined));
    this.#fds.length = 0;
  }

  #fetch(): void {
    if (wereLost(this.#fds as number[])) throw systemError(-constants.errno.EMFILE, 'recvmsg');
    if (this.#ticket === undefined) return;
    const ticket = this.#ticket;
    this.#ticket = undefined;
    this.drop();
    this.#fds = redeem(ticket);
  }
}
