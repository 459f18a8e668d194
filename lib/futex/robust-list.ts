// The list of robust futexes of this thread, by which the kernel knows what to do
// when the process dies: native/sync/robust_list.h, whose steps are taken here without
// a call for the commonest case, that of a list that is empty otherwise.
//
// Pointers are written as numbers, whole: the 64 bits of a pointer, read as a
// double, are a tiny number, and a write of eight bytes cannot be torn by a kill.
import { ProcessError } from '../common/errors.js';
import { onForkedChild } from '../common/per-process.js';
import { nativeMemory } from '../native/memory.js';
import { nativeSync } from '../native/sync.js';

const headMemory = nativeSync.robustHead();
const head = new Float64Array(headMemory);
const FIRST = 0;
const PENDING = 2;

/** The number whose bits are those of the pointer `address`. */
export function pointer(address: number): number {
  return new Float64Array(BigUint64Array.of(BigInt(address)).buffer)[0]!;
}

/** The first link when the list is empty: a pointer to the head itself. */
const EMPTY = pointer(nativeMemory.addressOf(headMemory));

/** Where, from the address of a link's `next`, the C library has the word of a lock, in bytes. */
export const WORD_OFFSET: number = nativeSync.robustWordOffset();

/** The number of this thread in the words of locks. */
export let lockerId: number = nativeSync.lockerId();

const isRefused = nativeSync.isRobustListRefused();

/**
 * To be called before anything is made that others wait for.
 *
 * @throws ProcessError `ERR_TRUEFORK_UNSUPPORTED`
 */
export function assertRobust(): void {
  if (!isRefused) return;
  throw new ProcessError(
    'ERR_TRUEFORK_UNSUPPORTED',
    'a sandbox or an emulator refuses set_robust_list(2), so that the kernel could not pass on the ' +
      'locks of a process that dies: locks, queues, and what has a lock cannot be made. Allow ' +
      'that call, or use pipes, pools and managers only.',
  );
}

onForkedChild(() => {
  nativeSync.renewRobustList();
  lockerId = nativeSync.lockerId();
});

/** A link in shared memory: `[previous, next]`, and the pointer to its `next`. */
export interface RobustLink {
  readonly memory: Float64Array;
  readonly pointer: number;
}

/**
 * Says that this thread is about to do something with the lock at this link, or to wake those
 * who sleep on the bell at this pointer. If it dies before {@link end}, the kernel looks at the
 * word: a lock that it holds passes on, and if nobody holds it one sleeper is woken.
 */
export function begin(link: number): void {
  head[PENDING] = link;
}

export function end(): void {
  head[PENDING] = 0;
}

/**
 * The pointer to {@link begin} with before a change that others wait for. The word at `byteOffset`,
 * the bell, is always zero, and they sleep on it, too: so that nobody sleeps on because the one
 * who made the change was killed before it woke them.
 */
export function bell(buffer: ArrayBuffer, byteOffset: number): number {
  assertRobust();
  return pointer(nativeMemory.addressOf(buffer) + byteOffset - WORD_OFFSET);
}

export function isEmpty(): boolean {
  return head[FIRST] === EMPTY;
}

/** Puts a link into the empty list. */
export function addOnly(link: RobustLink): void {
  link.memory[0] = EMPTY;
  link.memory[1] = EMPTY;
  head[FIRST] = link.pointer;
}

/** Whether this link is the whole list. */
export function isOnly(link: RobustLink): boolean {
  return head[FIRST] === link.pointer && link.memory[1] === EMPTY;
}

export function removeOnly(): void {
  head[FIRST] = EMPTY;
}
