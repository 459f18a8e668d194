// What goes along with the bytes of a message.
import { constants } from 'node:os';
import { ProcessError, systemError } from './errors.js';
import { closeFds } from './frames.js';
import { wereLost } from './posix/sockets.js';
import type { Delivered, Luggage } from './shareables.js';

/**
 * How descriptors go to the receiver: beside the bytes, which go through a Unix socket; apart, and
 * the receiver gets them from this process; not at all, for it may be on another machine.
 */
export type Carriage = 'beside' | 'apart' | 'impossible';

export class OutgoingLuggage implements Luggage {
  /** Beside the bytes. */
  readonly fds: number[] = [];
  /** What goes into the message, for those that go apart. */
  readonly tickets: unknown[] = [];
  readonly #carriage: Carriage;

  constructor(carriage: Carriage) {
    this.#carriage = carriage;
  }

  descriptor(fd: number): number {
    if (this.#carriage === 'beside') return this.fds.push(fd) - 1;
    throw new ProcessError(
      'ERR_TRUEFORK_NOT_SHAREABLE',
      this.#carriage === 'apart'
        ? 'this cannot be sent here: only a duplex Pipe and a Unix socket take descriptors along'
        : 'this cannot be sent through TCP: it exists on this machine only',
    );
  }
}

function badMessage(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_BAD_MESSAGE', 'the message refers to what did not come');
}

export class DeliveredLuggage implements Delivered {
  tickets: unknown[] = [];
  /** Those that nobody has claimed; undefined where somebody has. */
  readonly #fds: (number | undefined)[];

  /** @param fds this object's from now on */
  constructor(fds: readonly number[]) {
    this.#fds = [...fds];
  }

  descriptor(number: unknown): number {
    const fds = this.#fds.filter((fd) => fd !== undefined);
    if (wereLost(fds)) throw systemError(-constants.errno.EMFILE, 'recvmsg');
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
}
