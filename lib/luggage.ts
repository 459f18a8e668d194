// What goes along with the bytes of a message.
import { constants } from 'node:os';
import { ProcessError, systemError } from './errors.js';
import { closeFds } from './frames.js';
import { wereLost } from './posix/sockets.js';
import type { Delivered, Luggage } from './shareables.js';
import { entrust, isTicket, redeem, type Ticket } from './sharer.js';

/**
 * How descriptors go to the receiver: beside the bytes, which go through a Unix socket; apart, and
 * the receiver gets them from this process; not at all, for it may be on another machine.
 */
export type Carriage = 'beside' | 'apart' | 'impossible';

export class OutgoingLuggage implements Luggage {
  readonly #fds: number[] = [];
  readonly #carriage: Carriage;
  /** What goes into the message, where they go apart. */
  ticket: Ticket | undefined;

  constructor(carriage: Carriage) {
    this.#carriage = carriage;
  }

  /** Beside the bytes. */
  get fds(): readonly number[] {
    return this.ticket === undefined ? this.#fds : [];
  }

  descriptor(fd: number): number {
    if (this.#carriage !== 'impossible') return this.#fds.push(fd) - 1;
    throw new ProcessError(
      'ERR_TRUEFORK_NOT_SHAREABLE',
      'this cannot be sent through TCP: it exists on this machine only',
    );
  }

  /** There will be no more of them. @throws SystemError */
  close(): void {
    const isApart = this.#carriage === 'apart' && this.#fds.length > 0;
    if (isApart) this.ticket = entrust(this.#fds);
  }
}

function badMessage(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', 'the message refers to what did not come');
}

export class DeliveredLuggage implements Delivered {
  /** Those that nobody has claimed; undefined where somebody has. */
  #fds: (number | undefined)[];
  #ticket: Ticket | undefined;

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
