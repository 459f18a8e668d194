// The inside of a connection: a descriptor, with a half that receives and a half that sends.
import { Wakers } from '../common/wakers.js';
import { setNonblocking } from '../posix/descriptors.js';
import { READABLE, WRITABLE } from '../posix/poller.js';
import { socketKind } from '../posix/sockets.js';
import { closeFds, FrameReader } from '../serialize/frames.js';
import type { FdTransport } from '../serialize/shareables.js';
import { type ChannelSide, closedError } from './channel-waits.js';
import { type Polled, PolledDescriptor } from './polled-descriptor.js';
import { ReceivingHalf } from './receiving-half.js';
import { SendingHalf } from './sending-half.js';

/** The descriptors of a channel, to be closed when it was dropped without a close(). */
interface ChannelResources {
  descriptor: PolledDescriptor;
  reader: FrameReader;
}

function closeResources({ descriptor, reader }: ChannelResources): void {
  closeFds(reader.takeFds());
  descriptor.close();
}

const dropped = new FinalizationRegistry<ChannelResources>(closeResources);

/** How descriptors go with what is sent. */
const TRANSPORTS = { none: 'apart', unix: 'beside', other: 'impossible' } as const;

export class Channel implements Polled, ChannelSide {
  readonly fd: number;
  /** How descriptors go with what is sent here. */
  readonly transport: FdTransport;
  readonly receiving: ReceivingHalf;
  readonly sending: SendingHalf;
  /** Called when there may be something to receive, or the end. */
  readonly onReady: Wakers = new Wakers(() => this.watch());
  /** Called when this is closed in this process. */
  readonly onClose: Wakers = new Wakers();
  readonly #resources: ChannelResources;
  readonly #descriptor: PolledDescriptor;
  #isClosed = false;

  constructor(fd: number) {
    setNonblocking(fd);
    this.fd = fd;
    this.transport = TRANSPORTS[socketKind(fd)];
    const reader = new FrameReader(this.transport === 'beside');
    this.receiving = new ReceivingHalf(this, reader);
    this.sending = new SendingHalf(this);
    this.#descriptor = new PolledDescriptor(fd);
    this.#resources = { descriptor: this.#descriptor, reader };
    dropped.register(this, this.#resources, this);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether a part of a message is in, or out, and the rest is not; or somebody waits for more. */
  get isBusy(): boolean {
    this.forgetParent();
    return this.receiving.isInside || this.receiving.isAwaited || this.sending.isAwaited;
  }

  /** Stops receiving at once, and closes the descriptor when all that was sent is out. */
  close(): void {
    if (this.#isClosed) return;
    this.forgetParent();
    this.#isClosed = true;
    this.receiving.fail(closedError());
    this.onReady.wakeAll();
    this.onClose.wakeAll();
    this.#closeWhenSent();
  }

  /** @internal For the halves. */
  enter(): void {
    if (this.#descriptor.isOfParent) this.forgetParent();
    if (this.#isClosed) throw closedError();
  }

  /** @internal For the halves. */
  watch(): void {
    this.#descriptor.update(this);
  }

  /** @internal For the descriptor, as the following. */
  wantedEvents(): number {
    const isWantedIn = this.receiving.isAwaited || this.onReady.size > 0;
    return (isWantedIn ? READABLE : 0) | (this.sending.isAwaited ? WRITABLE : 0);
  }

  forgetParent(): boolean {
    if (!this.#descriptor.isOfParent) return false;
    this.receiving.forgetParent();
    this.sending.forgetParent();
    this.onReady.forget();
    this.onClose.forget();
    this.#descriptor.forgetParent();
    return true;
  }

  onEvents(events: number): void {
    this.receiving.onTurn();
    if ((events & READABLE) !== 0) {
      this.receiving.pump();
      this.onReady.wakeAll();
    }
    if ((events & WRITABLE) !== 0) this.sending.pump();
    this.#closeWhenSent();
  }

  #closeWhenSent(): void {
    this.watch();
    if (!this.#isClosed || this.sending.isAwaited) return;
    dropped.unregister(this);
    closeResources(this.#resources);
  }
}
