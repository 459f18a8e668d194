// Those of this process who wait for the next value without blocking the thread. An
// agent takes it for the first of them.
//
// A value that the agent has taken is somebody's: whoever gives up last asks the agent first, and
// has not given up if it has one.
import { ProcessError } from '../errors.js';
import type { Agent } from '../posix/native.js';
import { type Errand, send } from '../synchronize/agents.js';
import { DONE } from '../synchronize/outcome.js';
import { lockerId } from '../synchronize/robust-list.js';
import { throwIfAborted, waitFor } from '../waiting.js';
import { addLeaver, type Leaver, removeLeaver } from './at-exit.js';
import { NO_MEMORY, noMemory, NOTHING, open, read, type SharedRing } from './ring.js';
import { takesTurn } from './turns.js';

interface Getter {
  wake: () => void;
  value: unknown;
  failure: unknown;
}

/** How long to look for a place for a value that nobody wants any more, in milliseconds. */
const PATIENCE_AT_EXIT = 1000;

export class GetLine implements Leaver {
  readonly #ring: SharedRing;
  #getters: Getter[] = [];
  #errand: Errand | undefined;
  /** The process whose line this is: that of a forked child is empty. */
  #owner = lockerId;

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  /** @returns NOTHING after the timeout. @throws AbortError */
  async get(timeout: number, signal: AbortSignal | undefined): Promise<unknown> {
    throwIfAborted(signal);
    this.#forgetParent();
    const value = this.#getters.length === 0 ? this.#ring.take(0) : NOTHING;
    if (value !== NOTHING) await takesTurn();
    if (value !== NOTHING || timeout === 0) return value;
    const getter: Getter = { wake: () => {}, value: NOTHING, failure: undefined };
    const subscribe = (wake: () => void): (() => void) => {
      getter.wake = wake;
      this.#join(getter);
      return () => this.#leave(getter);
    };
    try {
      await waitFor(subscribe, timeout, signal);
    } catch (error) {
      if (getter.value === NOTHING) throw error;
    }
    if (getter.failure !== undefined) throw getter.failure;
    return getter.value;
  }

  /** As {@link get}, and blocks the thread: what comes now is for the one who cannot do without. */
  getSync(timeout: number): unknown {
    this.#forgetParent();
    let value: unknown = NOTHING;
    try {
      this.#recall((record) => (value = read(record)));
      return value === NOTHING ? this.#ring.take(timeout) : value;
    } finally {
      this.#sendAgent();
    }
  }

  /** Ends all waits with this error. */
  close(failure: ProcessError): void {
    this.#forgetParent();
    this.#recall((record) => this.#serve(() => read(record)));
    this.#fail(failure);
  }

  leave(): void {
    this.#recall((record) => {
      const taken = open(record);
      // Where it was, or else where there is room.
      const isBack = this.#ring.native.putBack(taken.kind, taken.body);
      if (!isBack) this.#ring.putItem(taken, PATIENCE_AT_EXIT);
    });
  }

  #join(getter: Getter): void {
    this.#getters.push(getter);
    if (this.#getters.length > 1) return;
    try {
      this.#send();
    } catch (error) {
      this.#getters.pop();
      throw error;
    }
  }

  #leave(getter: Getter): void {
    const index = this.#getters.indexOf(getter);
    if (index < 0) return;
    if (this.#getters.length === 1) this.#recall((record) => this.#serve(() => read(record)));
    else this.#getters.splice(index, 1);
    this.#getters = this.#getters.filter((other) => other !== getter);
  }

  #send(): void {
    this.#errand = send(
      (agent) => agent.takeRecord(this.#ring.native),
      (outcome, agent) => this.#receive(outcome, agent),
    );
    addLeaver(this);
  }

  #sendAgent(): void {
    if (this.#errand !== undefined || this.#getters.length === 0) return;
    try {
      this.#send();
    } catch (failure) {
      this.#fail(failure);
    }
  }

  #receive(outcome: number, agent: Agent): void {
    this.#end();
    if (outcome === DONE) this.#serve(() => read(agent.takenRecord()));
    if (outcome === NO_MEMORY) this.#fail(noMemory());
    this.#sendAgent();
  }

  /** Calls the agent back. What it has taken goes to `receive`. */
  #recall(receive: (record: Buffer) => void): void {
    const errand = this.#errand;
    this.#end();
    errand?.recall((outcome, agent) => {
      if (outcome === DONE) receive(agent.takenRecord());
    });
  }

  #end(): void {
    this.#errand = undefined;
    removeLeaver(this);
  }

  #serve(take: () => unknown): void {
    const getter = this.#getters.shift()!;
    try {
      getter.value = take();
    } catch (failure) {
      getter.value = undefined;
      getter.failure = failure;
    }
    getter.wake();
  }

  #fail(failure: unknown): void {
    for (const getter of this.#getters.splice(0)) {
      getter.failure = failure;
      getter.wake();
    }
  }

  #forgetParent(): void {
    if (this.#owner === lockerId) return;
    this.#owner = lockerId;
    this.#getters = [];
    this.#errand = undefined;
  }
}
