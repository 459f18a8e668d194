// Queues that are sent: what arrives is over the same memory, and where this process has that
// already it is the queue that it has.
import { fstatSync } from 'node:fs';
import { check } from '../common/errors.js';
import { type Ring, nativeQueue } from '../native/queue.js';
import { close } from '../posix/descriptors.js';
import { noDescriptor } from '../serialize/attachments.js';
import { noteSharedQueue } from '../serialize/origin.js';
import { type Delivered, type Attachments, makeShareable } from '../serialize/shareables.js';
import type { SharedRing } from './ring.js';

/** The queues of this process, by the identity of their memory. */
const known = new Map<string, WeakRef<object>>();
const collected = new FinalizationRegistry<string>((identity) => {
  if (known.get(identity)?.deref() === undefined) known.delete(identity);
});

function identityOf(fd: number): string {
  const { dev, ino } = fstatSync(fd);
  return `${dev}:${ino}`;
}

/** Says that `queue` is what this process has over the ring. */
export function note(queue: object, { native: ring }: SharedRing): void {
  const fd = ring.descriptor();
  if (fd < 0) return;
  const identity = identityOf(fd);
  known.set(identity, new WeakRef(queue));
  collected.register(queue, identity);
}

function send({ native: ring }: SharedRing, attachments: Attachments): number {
  const fd = ring.descriptor();
  if (fd < 0) throw noDescriptor('queue', fd);
  return attachments.descriptor(fd);
}

function attach(fd: number): Ring {
  const ring = new nativeQueue.Ring();
  check(ring.attach(fd), 'mmap');
  return ring;
}

/**
 * Says how the queues of a class are sent.
 *
 * @param make makes one over a ring that is there
 */
export function makeQueueShareable<T extends object>(
  Class: abstract new (...args: never[]) => T,
  ringOf: (queue: T) => SharedRing,
  make: (ring: Ring) => T,
): void {
  function fromParts(number: number, delivered: Delivered): T {
    noteSharedQueue();
    const fd = delivered.descriptor(number);
    const found = known.get(identityOf(fd))?.deref();
    if (found instanceof Class) {
      close(fd);
      return found;
    }
    return make(attach(fd));
  }
  function toParts(queue: T, attachments: Attachments): number {
    noteSharedQueue();
    return send(ringOf(queue), attachments);
  }
  makeShareable(Class.name, Class, { toParts, fromParts });
}
