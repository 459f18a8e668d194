// The inside of a connection: a descriptor, those who wait to receive from it and
// those who wait until what they send is out.
import { EOFError, ProcessError, TimeoutError } from '../common/errors.js';
import { type Entry, Fifo } from '../common/fifo.js';
import { onForkedChild, thisProcess } from '../common/per-process.js';
import { SpinBudget } from '../common/spin-budget.js';
import { Deadline, throwIfAborted, waitFor } from '../common/waiting.js';
import { Wakers } from '../common/wakers.js';
import { close, setNonblocking } from '../posix/descriptors.js';
import { makePoller, READABLE, startPoller, waitUntilReady, WRITABLE } from '../posix/poller.js';
import type { Poller } from '../posix/poller.js';
import { socketKind } from '../posix/sockets.js';
import { closeFds, type Frame, FrameReader, OutgoingFrame } from '../serialize/frames.js';
import { discard, type Encoded } from '../serialize/serialize.js';
import type { FdTransport } from '../serialize/shareables.js';
import { NOTHING, receiveShort, sendShort, sizeOf } from './short-frames.js';

/** Somebody who waits, and what became of it. */
interface Waiting {
  wake: () => void;
  isDone: boolean;
  error?: unknown;
}

interface Receiver extends Waiting {
  maxLength: number;
  frame?: Frame;
}

interface Sender extends Waiting {
  readonly frame: OutgoingFrame;
  readonly message: Message;
}

function ignore(): void {}

/** Gives back what goes along with a message that will not be sent, or not to its end. */
function dispose({ frame, message }: Sender): void {
  frame.dropFds();
  discard(message);
}

/** Ends a wait that has ended well, or not at all. */
function settle<T extends Waiting>(waiting: T): T {
  if (waiting.error !== undefined) throw waiting.error;
  if (!waiting.isDone) throw new TimeoutError('the connection was not ready in time');
  return waiting;
}

export function closedError(): ProcessError {
  return new ProcessError('ERR_TRUEFORK_CLOSED', 'handle is closed');
}

function tornError(): ProcessError {
  return new ProcessError(
    'ERR_TRUEFORK_TRUNCATED',
    'cannot use this end here: when this process was forked, its parent was in the middle of a ' +
      'message',
  );
}

/** A message to send: bytes alone, or a value as bytes. */
export type Message = Omit<Encoded, 'kind'> & { kind?: number };

/**
 * Messages up to this size (bytes) are written with one call, and of larger ones the first part.
 */
const MAX_SHORT_BYTES = 2 ** 30;

/** How many messages in a row to receive without giving way to the event loop. */
const MAX_BURST = 100;

/**
 * The descriptors and the like of a channel, to be closed when it was dropped without a close().
 */
interface ChannelResources {
  fd: number;
  reader: FrameReader;
  poller?: Poller;
}

function closeResources({ fd, reader, poller }: ChannelResources): void {
  poller?.close();
  closeFds(reader.takeFds());
  close(fd);
}

const dropped = new FinalizationRegistry<ChannelResources>(closeResources);

/** How descriptors go with what is sent. */
const TRANSPORTS = { none: 'apart', unix: 'beside', other: 'impossible' } as const;

/** Channels that somebody waits for. Nothing else may hold them. */
const awaited = new Set<Channel>();

onForkedChild(() => awaited.clear());

export class Channel {
  readonly fd: number;
  /** How descriptors go with what is sent here. */
  readonly transport: FdTransport;
  readonly #reader: FrameReader;
  readonly #budget = new SpinBudget();
  #receivers = new Fifo<Receiver>();
  #senders = new Fifo<Sender>();
  /** Called when there may be something to receive, or the end. */
  readonly onReady: Wakers = new Wakers(() => this.#watch());
  /** Called when this is closed in this process. */
  readonly onClose: Wakers = new Wakers();
  #burst = 0;
  #isClosed = false;
  /** Why nothing can be received, or sent, any more. */
  #receiveFailure: unknown;
  #sendFailure: unknown;

  readonly #remains: ChannelResources;
  /**
   * The events that the poller looks for. They may be more than anybody wants: to stop it costs a
   * system call.
   */
  #watched = 0;
  /** The process that those who wait belong to. */
  #owner = thisProcess;

  constructor(fd: number) {
    setNonblocking(fd);
    this.fd = fd;
    this.transport = TRANSPORTS[socketKind(fd)];
    this.#reader = new FrameReader(this.transport === 'beside');
    this.#remains = { fd, reader: this.#reader };
    dropped.register(this, this.#remains, this);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get canReceive(): boolean {
    return this.#receiveFailure === undefined;
  }

  async receive(
    maxLength: number,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<Frame> {
    this.#enterToReceive();
    throwIfAborted(signal);
    const isFirst = this.#receivers.length === 0;
    const mayLook = this.#burst++ < MAX_BURST;
    if (isFirst && mayLook) {
      const frame = this.#receiveNow(maxLength, timeout === 0 ? undefined : this.#budget, 0);
      if (frame !== undefined) return frame;
    }
    const receiver: Receiver = { maxLength, wake: ignore, isDone: false };
    const place = this.#receivers.push(receiver);
    if (!isFirst && mayLook) this.#pumpIn();
    if (!receiver.isDone) {
      const subscribe = (wake: () => void): (() => void) => {
        receiver.wake = wake;
        this.#watch();
        return () => {
          this.#receivers.remove(place);
          this.#watch();
        };
      };
      await waitFor(subscribe, timeout, signal);
    }
    return settle(receiver).frame!;
  }

  receiveSync(maxLength: number, timeout: number): Frame {
    this.#enterToReceive();
    const deadline = new Deadline(timeout);
    if (this.#receivers.length === 0) {
      const budget = timeout === 0 ? undefined : this.#budget;
      const frame = this.#receiveNow(maxLength, budget, timeout);
      if (frame !== undefined) return frame;
    }
    const receiver: Receiver = { maxLength, wake: ignore, isDone: false };
    const place = this.#receivers.push(receiver);
    this.#pumpIn();
    while (!receiver.isDone && waitUntilReady(this.fd, READABLE, deadline.left)) this.#pumpIn();
    this.#receivers.remove(place);
    this.#watch(); // others may have been served
    return settle(receiver).frame!;
  }

  async send(message: Message, timeout: number, signal: AbortSignal | undefined): Promise<void> {
    const frame = this.#begin(message, signal);
    if (frame === undefined) return;
    const sender: Sender = { frame, message, wake: ignore, isDone: false };
    const place = this.#senders.push(sender);
    this.#pumpOut();
    if (!sender.isDone) {
      this.#keepFds(place);
      const subscribe = (wake: () => void): (() => void) => {
        sender.wake = wake;
        this.#watch();
        return () => this.#giveUpSending(place);
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
    this.#pumpOut();
    while (!sender.isDone && waitUntilReady(this.fd, WRITABLE, deadline.left)) this.#pumpOut();
    if (!sender.isDone && sender.frame.isInside) this.#keepFds(place);
    this.#giveUpSending(place);
    settle(sender);
  }

  /** Sends what there is room for, if nobody else is sending. Returns undefined if that was all. */
  #begin(message: Message, signal: AbortSignal | undefined): OutgoingFrame | undefined {
    const { kind, body, fds = [] } = message;
    try {
      this.#enterToSend();
      throwIfAborted(signal);
      const isSimple =
        this.#senders.length === 0 && fds.length === 0 && body.length <= MAX_SHORT_BYTES;
      if (!isSimple) return new OutgoingFrame(body, kind, fds);
      const written = sendShort(this.fd, kind, body);
      if (written === sizeOf(kind, body)) return undefined;
      return new OutgoingFrame(body, kind, [], written);
    } catch (error) {
      discard(message);
      throw error;
    }
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
    if (!this.#reader.isInside) {
      const takesFds = this.transport === 'beside';
      const received = receiveShort(this.fd, takesFds, maxLength, budget, timeout);
      if (received === NOTHING) return undefined;
      if (!('beginning' in received)) return received;
      this.#reader.feed(received.beginning);
    }
    const bytes = this.#reader.read(this.fd, maxLength);
    return bytes && { bytes, fds: this.#reader.takeFds() };
  }

  /**
   * After the end of file there is the end of file again; after anything else nobody knows where a
   * message begins.
   */
  #noteFailure(error: unknown): void {
    if (!(error instanceof EOFError)) this.#receiveFailure = error;
  }

  /** Whether a part of a message is in, or out, and the rest is not; or somebody waits for more. */
  get isBusy(): boolean {
    this.#enter();
    const isWaitedFor = this.#receivers.length > 0 || this.#senders.length > 0;
    return this.#reader.isInside || isWaitedFor;
  }

  /** Whether there is something to receive, or the end. Blocks the thread up to `timeout` ms. */
  isReady(timeout: number): boolean {
    this.#enterToReceive();
    return waitUntilReady(this.fd, READABLE, timeout);
  }

  /** Stops receiving at once, and closes the descriptor when all that was sent is out. */
  close(): void {
    if (this.#isClosed) return;
    this.#enter();
    this.#isClosed = true;
    this.#failReceivers(closedError());
    this.onReady.wakeAll();
    this.onClose.wakeAll();
    this.#closeWhenSent();
  }

  #closeWhenSent(): void {
    this.#watch();
    if (!this.#isClosed || this.#senders.length > 0) return;
    dropped.unregister(this);
    closeResources(this.#remains);
  }

  /** In a forked child those who wait are the parent's, and a half-read message is, too. */
  #enter(): void {
    if (this.#owner === thisProcess) return;
    this.#owner = thisProcess;
    if (this.#reader.isInside) this.#receiveFailure ??= tornError();
    if (this.#senders.first?.frame.isInside) this.#sendFailure ??= tornError();
    this.#receivers = new Fifo();
    for (const { frame } of this.#senders) frame.dropFds();
    this.#senders = new Fifo();
    closeFds(this.#reader.takeFds());
    this.onReady.forget();
    this.onClose.forget();
    this.#remains.poller?.stop();
    this.#watched = 0;
  }

  #enterToReceive(): void {
    this.#enter();
    if (this.#isClosed) throw closedError();
    if (this.#receiveFailure !== undefined) throw this.#receiveFailure;
  }

  #enterToSend(): void {
    this.#enter();
    if (this.#isClosed) throw closedError();
    if (this.#sendFailure !== undefined) throw this.#sendFailure;
  }

  #wanted(): number {
    const isWantedIn = this.#receivers.length > 0 || this.onReady.size > 0;
    const isWantedOut = this.#senders.length > 0;
    return (isWantedIn ? READABLE : 0) | (isWantedOut ? WRITABLE : 0);
  }

  /** Looks for what is wanted. Only who waits keeps the event loop alive. */
  #watch(): void {
    const wanted = this.#wanted();
    if (wanted === 0) awaited.delete(this);
    else awaited.add(this);
    if ((wanted & ~this.#watched) !== 0) this.#watchFor(wanted);
    this.#remains.poller?.setRef(wanted !== 0);
  }

  #watchFor(events: number): void {
    const poller = (this.#remains.poller ??= this.#makePoller());
    this.#watched = events;
    if (events === 0) poller.stop();
    else startPoller(poller, events);
  }

  #makePoller(): Poller {
    const itself = new WeakRef<Channel>(this);
    const poller = makePoller(this.fd, (ready) => {
      const channel = itself.deref();
      if (channel === undefined) poller.stop();
      else channel.#onEvents(ready);
    });
    return poller;
  }

  #onEvents(ready: number): void {
    const isForParent = this.#owner !== thisProcess;
    this.#enter();
    if (isForParent) return;
    this.#burst = 0;
    const isError = ready < 0; // reading or writing will say which
    if (isError) this.#watched = 0;
    const wanted = this.#wanted();
    if (!isError && (ready & ~wanted) !== 0) this.#watchFor(wanted);
    if (isError || (ready & READABLE) !== 0) {
      this.#pumpIn();
      this.onReady.wakeAll();
    }
    if (isError || (ready & WRITABLE) !== 0) this.#pumpOut();
    this.#closeWhenSent();
  }

  /** Gives messages to those who wait for them, as long as there are any. */
  #pumpIn(): void {
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
      this.#failReceivers(error);
    }
  }

  #pumpOut(): void {
    try {
      for (let { first } = this.#senders; first; { first } = this.#senders) {
        if (!first.frame.write(this.fd)) return;
        this.#senders.shift();
        first.isDone = true;
        first.wake();
      }
    } catch (error) {
      if (this.#senders.first!.frame.isInside) this.#sendFailure = error;
      for (const sender of this.#senders.takeAll()) {
        dispose(sender);
        sender.error = error;
        sender.isDone = true;
        sender.wake();
      }
    }
  }

  /** Until it is out what it takes along may be closed by its owner. */
  #keepFds(place: Entry<Sender>): void {
    try {
      place.value.frame.keepFds();
    } catch (error) {
      this.#giveUpSending(place);
      throw error;
    }
  }

  /** A message of which a part is out is sent to its end, whoever waits for that. */
  #giveUpSending(place: Entry<Sender>): void {
    const sender = place.value;
    sender.wake = ignore;
    if (!sender.isDone && !sender.frame.isInside) {
      this.#senders.remove(place);
      dispose(sender);
    }
    this.#watch();
  }

  #failReceivers(error: unknown): void {
    for (const receiver of this.#receivers.takeAll()) {
      receiver.error = error;
      receiver.isDone = true;
      receiver.wake();
    }
  }
}
