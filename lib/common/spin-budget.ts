// How long a reader looks again and again for what is about to come, before it goes to sleep: a
// sleeper that is woken costs more than that, where the answer comes soon.

/** Somebody who sleeps is woken, and answers, in less. */
const SPIN_US = 40;
const MAX_HITS = 16;
/** The most readers in a row that go to sleep at once, until one tries it again. */
const MAX_GAP = 64;

/** Learns whether looking again is worth it: one for each place where messages come from. */
export class SpinBudget {
  #hits = 2;
  #gap = 1;
  #skipped = 0;

  /** How long the next reader looks, in microseconds; 0: not at all. */
  get microseconds(): number {
    return this.#hits > 0 || ++this.#skipped >= this.#gap ? SPIN_US : 0;
  }

  /** @param hasCome whether the reader found what it looked for */
  learn(hasCome: boolean): void {
    this.#skipped = 0;
    if (hasCome) {
      this.#hits = Math.min(this.#hits + 2, MAX_HITS);
      this.#gap = 1;
    } else if (this.#hits > 0) {
      this.#hits--;
    } else {
      this.#gap = Math.min(this.#gap * 2, MAX_GAP);
    }
  }
}
