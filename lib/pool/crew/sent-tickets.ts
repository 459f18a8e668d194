// Descriptors in arguments that are on their way to a worker.
import type { Ticket } from '../../serialize/fd-broker.js';
import { distance } from '../line/ledger.js';
import { discardAll } from '../line/values.js';

/** Numbers begin again at 0: one that is fewer steps away comes later. */
const HALF = 2 ** 23;

/**
 * Values that wait for a worker to fetch them, until it is known to have done so. That is when it
 * says anything of a task that came with the same message, or a later one.
 */
export class SentTickets {
  #sent: { number: number; tickets: readonly Ticket[] }[] = [];

  /** @param number of the first task of the message */
  add(number: number, tickets: readonly Ticket[]): void {
    if (tickets.length > 0) this.#sent.push({ number, tickets });
  }

  /** The worker has read the message that brought it the task `number`. */
  wasRead(number: number): void {
    if (this.#sent.length === 0) return;
    const unread = this.#sent.findIndex((entry) => {
      const steps = distance(number, entry.number);
      return steps > 0 && steps < HALF;
    });
    this.#discard(unread < 0 ? this.#sent.length : unread);
  }

  /** The worker is gone. */
  discard(): void {
    this.#discard(this.#sent.length);
  }

  #discard(count: number): void {
    for (const { tickets } of this.#sent.slice(0, count)) discardAll(tickets);
    this.#sent = this.#sent.slice(count);
  }
}
