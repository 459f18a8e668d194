// What goes along with the bytes of a message.
import { constants } from 'node:os';
import { ProcessError, systemError } from './errors.js';
import { closeFds } from './frames.js';
import { close } from './posix/descriptors.js';
import { descriptorOf, mapDescriptor } from './posix/memory.js';
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
  readonly #memory = new Map<ArrayBuffer, number>();
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

  memory(buffer: ArrayBuffer): number {
    let number = this.#memory.get(buffer);
    if (number !== undefined) return number;
    const fd = descriptorOf(buffer);
    if (fd === undefined) {
      throw new ProcessError(
        'ERR_TRUEFORK_NOT_SHAREABLE',
        'this memory cannot be sent: when it was made too many descriptors were in use',
      );
    }
    this.#memory.set(buffer, (number = this.descriptor(fd)));
    return number;
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
