// The half of a channel that sends: messages go out one after the other, each of them whole.
import { type Entry, Fifo } from '../common/fifo.js';
import { ignore } from '../common/ignore.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { waitUntilReady, WRITABLE } from '../posix/poller.js';
import { OutgoingFrame } from '../serialize/frames.js';
import { discard, type Encoded } from '../serialize/serialize.js';
import { type ChannelSide, settle, tornError, type Waiting } from './channel-waits.js';
import { sendShort, sizeOf } from './short-frames.js';

/** A message to send: bytes alone, or a value as bytes. */
export type Message = Omit<Encoded, 'kind'> & { kind?: number };

/**
 * Messages up to this size (bytes) are written with one call, and of larger ones the first part.
 */
const MAX_SHORT_BYTES = 2 ** 30;

interface Sender extends Waiting {
  readonly frame: OutgoingFrame;
  readonly message: Message;
}

/** Gives back what goes along with a message that will not be sent, or not to its end. */
function dispose({ frame, message }: Sender): void {
  frame.dropFds();
  discard(message);
}

export class SendingHalf {
  readonly #channel: ChannelSide;
  #senders = new Fifo<Sender>();
  /** Why nothing can be sent any more. */
  #failure: unknown;

  constructor(channel: ChannelSide) {
    this.#channel = channel;
  }

  get isAwaited(): boolean {
    return this.#senders.length > 0;
  }

  async send(message: Message, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    const frame = this.#begin(message, signal);
    if (frame === undefined) return;
    const sender: Sender = { frame, message, wake: ignore, isDone: false };
    const place = this.#senders.push(sender);
    this.pump();
    if (!sender.isDone) {
      this.#keepFds(place);
      const subscribe = (wake: () => void): (() => void) => {
        sender.wake = wake;
        this.#channel.watch();
        return () => this.#giveUp(place);
      };
      await waitFor(subscribe, timeout, signal);
    }
    settle(sender);
  }

  sendSync(message: Message, timeout: number): void {
    const frame = this.#begin(message, undefined);
    if (frame === undefined) return;
    const deadline = new Deadline(timeout);
    const sender: Sender = { frame, message, wake: ignore, isDone: false };
    const place = this.#senders.push(sender);
    this.pump();
    const { fd } = this.#channel;
    while (!sender.isDone && waitUntilReady(fd, WRITABLE, deadline.left)) this.pump();
    if (!sender.isDone && sender.frame.isInside) this.#keepFds(place);
    this.#giveUp(place);
    settle(sender);
  }

  /** Writes the messages that wait, as far as there is room for them. */
  pump(): void {
    try {
      for (let { first } = this.#senders; first; { first } = this.#senders) {
        if (!first.frame.write(this.#channel.fd)) return;
        this.#senders.shift();
        first.isDone = true;
        first.wake();
      }
    } catch (error) {
      if (this.#senders.first!.frame.isInside) this.#failure = error;
      for (const sender of this.#senders.takeAll()) {
        dispose(sender);
        sender.error = error;
        sender.isDone = true;
        sender.wake();
      }
    }
  }

  /** In a forked child those who wait are the parent's, and a half-written message is, too. */
  forgetParent(): void {
    if (this.#senders.first?.frame.isInside) this.#failure ??= tornError();
    for (const { frame } of this.#senders) frame.dropFds();
    this.#senders = new Fifo();
  }

  #enter(): void {
    this.#channel.enter();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Sends what there is room for, if nobody else is sending. Returns undefined if that was all. */
  #begin(message: Message, signal: AbortSignal | undefined): OutgoingFrame | undefined {
    const { kind, body, fds = [] } = message;
    try {
      this.#enter();
      throwIfAborted(signal);
      const isSimple =
        this.#senders.length === 0 && fds.length === 0 && body.length <= MAX_SHORT_BYTES;
      if (!isSimple) return new OutgoingFrame(body, kind, fds);
      const written = sendShort(this.#channel.fd, kind, body);
      if (written === sizeOf(kind, body)) return undefined;
      return new OutgoingFrame(body, kind, [], written);
    } catch (error) {
      discard(message);
      throw error;
    }
  }

  /** Until it is out what it takes along may be closed by its owner. */
  #keepFds(place: Entry<Sender>): void {
    try {
      place.value.frame.keepFds();
    } catch (error) {
      this.#giveUp(place);
      throw error;
    }
  }

  /** A message of which a part is out is sent to its end, whoever waits for that. */
  #giveUp(place: Entry<Sender>): void {
    const sender = place.value;
    sender.wake = ignore;
    if (!sender.isDone && !sender.frame.isInside) {
      this.#senders.remove(place);
      dispose(sender);
    }
    this.#channel.watch();
  }
}
