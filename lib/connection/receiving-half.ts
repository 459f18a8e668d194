// The half of a channel that receives: messages go to those who wait, in the order in which they
// came.
import { EOFError } from '../common/errors.js';
import { Fifo } from '../common/fifo.js';
import { ignore } from '../common/ignore.js';
import { SpinBudget } from '../common/spin-budget.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { READABLE, waitUntilReady } from '../posix/poller.js';
import { closeFds, type Frame, type FrameReader } from '../serialize/frames.js';
import { type ChannelSide, settle, tornError, type Waiting } from './channel-waits.js';
import { NOTHING, receiveShort } from './short-frames.js';

/** How many messages in a row to receive without giving way to the event loop. */
const MAX_BURST = 100;

interface Receiver extends Waiting {
  maxLength: number;
  frame?: Frame;
}

export class ReceivingHalf {
  readonly #channel: ChannelSide;
  readonly #reader: FrameReader;
  readonly #budget = new SpinBudget();
  #receivers = new Fifo<Receiver>();
  #burst = 0;
  /** Why nothing can be received any more. */
  #failure: unknown;

  constructor(channel: ChannelSide, reader: FrameReader) {
    this.#channel = channel;
    this.#reader = reader;
  }

  get isAwaited(): boolean {
    return this.#receivers.length > 0;
  }

  /** Whether a part of a message is in, and the rest is not. */
  get isInside(): boolean {
    return this.#reader.isInside;
  }

  get canReceive(): boolean {
    return this.#failure === undefined;
  }

  async receive(
    maxLength: number,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Frame> {
    this.#enter();
    throwIfAborted(signal);
    const isFirst = this.#receivers.length === 0;
    const mayLook = this.#burst++ < MAX_BURST;
    if (isFirst && mayLook) {
      const frame = this.#receiveNow(maxLength, timeout === 0 ? undefined : this.#budget, 0);
      if (frame !== undefined) return frame;
    }
    const receiver: Receiver = { maxLength, wake: ignore, isDone: false };
    const place = this.#receivers.push(receiver);
    if (!isFirst && mayLook) this.pump();
    if (!receiver.isDone) {
      const subscribe = (wake: () => void): (() => void) => {
        receiver.wake = wake;
        this.#channel.watch();
        return () => {
          this.#receivers.remove(place);
          this.#channel.watch();
        };
      };
      await waitFor(subscribe, timeout, signal);
    }
    return settle(receiver).frame!;
  }

  receiveSync(maxLength: number, timeout: number): Frame {
    this.#enter();
    const deadline = new Deadline(timeout);
    if (this.#receivers.length === 0) {
      const budget = timeout === 0 ? undefined : this.#budget;
      const frame = this.#receiveNow(maxLength, budget, timeout);
      if (frame !== undefined) return frame;
    }
    const receiver: Receiver = { maxLength, wake: ignore, isDone: false };
    const place = this.#receivers.push(receiver);
    this.pump();
    const { fd } = this.#channel;
    while (!receiver.isDone && waitUntilReady(fd, READABLE, deadline.left)) this.pump();
    this.#receivers.remove(place);
    this.#channel.watch(); // others may have been served
    return settle(receiver).frame!;
  }

  /** Whether there is something to receive, or the end. Blocks the thread up to `timeout` ms. */
  isReady(timeout: number): boolean {
    this.#enter();
    return waitUntilReady(this.#channel.fd, READABLE, timeout);
  }

  /** The event loop has had its turn. */
  onTurn(): void {
    this.#burst = 0;
  }

  /** Gives messages to those who wait for them, as long as there are any. */
  pump(): void {
    try {
      for (let { first } = this.#receivers; first; { first } = this.#receivers) {
        const frame = this.#readFrame(first.maxLength, undefined, 0);
        if (frame === undefined) return;
        this.#receivers.shift();
        first.frame = frame;
        first.isDone = true;
        first.wake();
      }
    } catch (error) {
      this.#noteFailure(error);
      this.fail(error);
    }
  }

  /** Ends all waits with `error`. */
  fail(error: unknown): void {
    for (const receiver of this.#receivers.takeAll()) {
      receiver.error = error;
      receiver.isDone = true;
      receiver.wake();
    }
  }

  /** In a forked child those who wait are the parent's, and a half-read message is, too. */
  forgetParent(): void {
    if (this.#reader.isInside) this.#failure ??= tornError();
    this.#receivers = new Fifo();
    closeFds(this.#reader.takeFds());
  }

  #enter(): void {
    this.#channel.enter();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A message that is there, or comes within `timeout` ms, for which it blocks the thread. */
  #receiveNow(
    maxLength: number,
    budget: SpinBudget | undefined,
    timeout: number,
  ): Frame | undefined {
    try {
      return this.#readFrame(maxLength, budget, timeout);
    } catch (error) {
      this.#noteFailure(error);
      throw error;
    }
  }

  #readFrame(
    maxLength: number,
    budget: SpinBudget | undefined,
    timeout: number,
  ): Frame | undefined {
    const { fd, transport } = this.#channel;
    if (!this.#reader.isInside) {
      const received = receiveShort(fd, transport === 'beside', maxLength, budget, timeout);
      if (received === NOTHING) return undefined;
      if (!('beginning' in received)) return received;
      this.#reader.feed(received.beginning);
    }
    const bytes = this.#reader.read(fd, maxLength);
    return bytes && { bytes, fds: this.#reader.takeFds() };
  }

  /**
   * After the end of file there is the end of file again; after anything else nobody knows where a
   * message begins.
   */
  #noteFailure(error: unknown): void {
    if (!(error instanceof EOFError)) this.#failure = error;
  }
}
