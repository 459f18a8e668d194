// multiprocessing.managers.SharedMemoryManager.
import { process } from '../common/originals.js';
import { checkReceivers, isMadeBy } from '../common/receivers.js';
import { assertIterable } from '../common/validate.js';
import { ShareableList, type Shareable } from '../memory/shareable-list.js';
import { SharedMemory } from '../memory/shared-memory.js';
import { BaseManager } from './base-manager.js';

/** Shared memory that was made in the server, and goes with it. */
class Segments {
  readonly #all: Pick<SharedMemory, 'unlink'>[] = [];

  constructor() {
    process.on('exit', () => this.#unlinkAll());
  }

  makeMemory(size: number): string {
    const memory = new SharedMemory({ create: true, size });
    this.#all.push(memory);
    memory.close();
    return memory.name;
  }

  makeList(values: Shareable[]): string {
    const { shm } = new ShareableList(values);
    this.#all.push(shm);
    const { name } = shm;
    shm.close();
    return name;
  }

  #unlinkAll(): void {
    for (const each of this.#all) {
      try {
        each.unlink();
      } catch {
        // Somebody has done it already.
      }
    }
  }
}

let segments: Segments | undefined;

/**
 * A manager for memory with names, all of which are removed when it is shut down, or ends in any
 * other way. As Python's `multiprocessing.managers.SharedMemoryManager`.
 *
 * @example
 * ```ts
 * using manager = new SharedMemoryManager().start();
 * const shm = manager.SharedMemory(1000);
 * const list = manager.ShareableList(['a', 1, null]);
 * ```
 */
export class SharedMemoryManager extends BaseManager {
  /** New memory, which may be closed, and need not be unlinked. @param size in bytes */
  SharedMemory(size: number): SharedMemory {
    return new SharedMemory({ name: this.#segments.makeMemory(size) });
  }

  /** A new list in such memory. */
  ShareableList(values: Iterable<Shareable>): ShareableList {
    assertIterable(values, 'values');
    const name = this.#segments.makeList([...values]);
    return new ShareableList(undefined, { name });
  }

  get #segments(): Segments {
    return this.create('segments') as Segments;
  }

  static {
    checkReceivers(this, (object) => isMadeBy(BaseManager, object));
    this.register('segments', () => (segments ??= new Segments()), { createMethod: false });
  }
}
