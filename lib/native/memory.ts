// Mappings and shared memory objects: native/memory.
import { addon } from './addon.js';

export interface MemoryFunctions {
  /** An ArrayBuffer over the mapping, or a negative errno. */
  mmap(
    length: number,
    prot: number,
    flags: number,
    fd: number,
    offset: number,
  ): ArrayBuffer | number;
  /** New memory, with a descriptor if there may be one more. An ArrayBuffer or a negative errno. */
  mapShareable(length: number): ArrayBuffer | number;
  /** A negative errno: it has none, and why. */
  descriptorOfMapping(buffer: ArrayBuffer): number;
  /**
   * Memory of mapShareable(), which may be mapped already. Takes the descriptor, unless it fails.
   */
  mapDescriptor(fd: number, fresh: boolean): ArrayBuffer | number;
  /**
   * Leaves the buffer without bytes. -EINVAL: not of mmap(), or unmapped already.
   *
   * @param isPublic whether requests that are under way may use the memory
   */
  munmap(buffer: ArrayBuffer, isPublic: boolean): number;
  /** Unmaps what had to stay because of such requests; returns how many still have to. */
  unmapRetired(): number;
  shmOpen(name: string, flags: number, mode: number): number;
  shmUnlink(name: string): number;
  ftruncate(fd: number, length: number): number;
  addressOf(buffer: ArrayBuffer): number;
}

export const nativeMemory: MemoryFunctions = addon as MemoryFunctions;
