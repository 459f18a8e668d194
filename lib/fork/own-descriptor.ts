// Descriptors that are of no use to a child, which therefore closes them first thing: those of
// work that is under way.
import { check } from '../common/errors.js';
import { onForkedChild } from '../common/per-process.js';
import { nativeIo } from '../native/io.js';
import { close } from '../posix/descriptors.js';
import { makePoller, type Poller, READABLE, startPoller } from '../posix/poller.js';

const all = new Set<OwnDescriptor>();

export class OwnDescriptor {
  readonly fd: number;
  #poller: Poller | undefined;
  #onReady: () => void = () => {};

  /** @param fd this object's from now on */
  constructor(fd: number) {
    this.fd = fd;
    all.add(this);
  }

  /**
   * Calls `onReady` whenever it is readable, or writable, until it is closed or watched for
   * something else.
   *
   * @param keepsAlive whether the event loop stays alive meanwhile
   */
  watch(event: number, onReady: () => void, keepsAlive = true): void {
    this.#onReady = onReady;
    this.#poller ??= makePoller(this.fd, () => this.#onReady());
    this.#poller.setRef(keepsAlive);
    startPoller(this.#poller, event);
  }

  /** Does not watch it any more. It is the caller's. */
  release(): number {
    this.#poller?.close();
    all.delete(this);
    return this.fd;
  }

  /** May be called twice, and in a child, where it is closed. */
  close(): void {
    if (!all.has(this)) return;
    close(this.release());
  }
}

onForkedChild(() => {
  for (const descriptor of all) descriptor.close();
});

/**
 * Calls `onReady` when one of `fds` may be readable, until the result is closed. The flags of those
 * stay as they are.
 */
export function watchAll(fds: Iterable<number>, onReady: () => void): OwnDescriptor {
  const set = new OwnDescriptor(check(nativeIo.makePollSet(), 'epoll_create'));
  try {
    for (const fd of new Set(fds)) check(nativeIo.addToPollSet(set.fd, fd), 'epoll_ctl');
    set.watch(READABLE, onReady);
    return set;
  } catch (error) {
    set.close();
    throw error;
  }
}
