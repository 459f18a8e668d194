// Shared memory that has a name: other programs can have it, too.
import { randomUUID } from 'node:crypto';
import { constants as flags, fstatSync, statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { inspect } from 'node:util';
import { type SystemError, systemError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { booleanOption, integerOption, type NoFunction, optionsReader } from '../common/options.js';
import { process } from '../common/originals.js';
import { checkReceivers } from '../common/receivers.js';
import { assertCString, assertInteger, assertType } from '../common/validate.js';
import { close } from '../posix/descriptors.js';
import {
  ftruncate,
  MAP_SHARED,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
  shmOpen,
  shmUnlink,
} from '../posix/memory.js';
import { makeShareable } from '../serialize/shareables.js';
import { isTracked, track, untrack } from './segment-tracker.js';

const { O_CREAT, O_EXCL, O_RDWR } = flags;
const { EINVAL, ENOSPC } = constants.errno;

/** Options of a {@link SharedMemory}. */
export interface SharedMemoryOptions {
  /** Without a slash. Default, where it is made: a random one. */
  name?: string | undefined;
  /**
   * true: make it; false: it exists already; `'if-missing'`: whatever is the case. Default: false.
   */
  create?: boolean | 'if-missing' | undefined;
  /** In bytes, where it is made. Where it exists it has its own. */
  size?: number | undefined;
  /** Whether what this process makes goes when this process goes. Default: true. */
  track?: boolean | undefined;
}

function isExisting(error: unknown): boolean {
  return (error as SystemError).code === 'EEXIST';
}

function isMissing(error: unknown): boolean {
  return (error as SystemError).code === 'ENOENT';
}

/** As Python's: short, because some systems allow no more than 14 characters. */
function randomName(): string {
  return `psm_${randomUUID().slice(0, 8)}`;
}

function isRandomName(name: string): boolean {
  return /^psm_[0-9a-f]{8}$/.test(name);
}

function nameOption(name: unknown): string {
  assertCString(name, 'name');
  const isRight = name !== '' && name !== '.' && name !== '..' && !name.includes('/');
  assertType(isRight, 'name', "a name without '/'", name);
  return name;
}

function createOption(value: unknown): boolean | 'if-missing' {
  const isRight = typeof value === 'boolean' || value === 'if-missing';
  assertType(isRight, 'create', "a boolean or 'if-missing'", value);
  return value as boolean | 'if-missing';
}

const readOptions = optionsReader<SharedMemoryOptions>(
  'a SharedMemory',
  { name: nameOption, create: createOption, size: integerOption(0), track: booleanOption },
  { expected: 'an object, as in { create: true, size }' },
);

/**
 * The kernel makes room for a page when it is first written to, and if there is none then, it
 * kills the process (SIGBUS). Better to say so now.
 */
function assertRoom(size: number): void {
  if (process.platform !== 'linux') return;
  const { blocks, bavail, bsize } = statfsSync('/dev/shm');
  if (blocks > 0 && size > bavail * bsize) throw systemError(-ENOSPC, 'ftruncate');
}

function mapWhole(fd: number): ArrayBuffer {
  const { size } = fstatSync(fd);
  // Its creator may be about to give it a size.
  if (size === 0) throw systemError(-EINVAL, 'mmap');
  return mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
}

/** Maps an existing one. */
function attach(name: string): ArrayBuffer {
  const fd = shmOpen(`/${name}`, O_RDWR);
  try {
    return mapWhole(fd);
  } finally {
    close(fd);
  }
}

/** Makes one of a name that nobody has. */
function create(name: string, size: number): ArrayBuffer {
  const fd = shmOpen(`/${name}`, O_CREAT | O_EXCL | O_RDWR);
  try {
    assertRoom(size);
    ftruncate(fd, size);
    return mapWhole(fd);
  } catch (error) {
    shmUnlink(`/${name}`);
    throw error;
  } finally {
    close(fd);
  }
}

/** Makes one of that name. Tracked a moment later: before that the name may be somebody else's. */
function createNamed(name: string, size: number, shallTrack: boolean): ArrayBuffer {
  const buffer = create(name, size);
  try {
    if (shallTrack) track(name);
  } catch (error) {
    munmap(buffer);
    shmUnlink(`/${name}`);
    throw error;
  }
  return buffer;
}

/** Tracked first: a process that is killed in between leaves nothing behind. */
function createTracked(name: string, size: number): ArrayBuffer {
  try {
    track(name);
    return create(name, size);
  } catch (error) {
    // It may be somebody else's.
    untrack(name, false);
    throw error;
  }
}

function createAnywhere(size: number, shallTrack: boolean): [string, ArrayBuffer] {
  for (;;) {
    const name = randomName();
    if (isTracked(name)) continue;
    try {
      return [name, shallTrack ? createTracked(name, size) : create(name, size)];
    } catch (error) {
      if (!isExisting(error)) throw error;
    }
  }
}

function createOrAttach(name: string, size: number, shallTrack: boolean): ArrayBuffer {
  for (;;) {
    try {
      return createNamed(name, size, shallTrack);
    } catch (error) {
      if (!isExisting(error)) throw error;
    }
    try {
      return attach(name);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

/**
 * Memory with a name, which any process can have that knows it: other programs, too, and Python's
 * `multiprocessing.shared_memory`. Memory that is made before a fork needs no name: see {@link
 * RawArray}.
 *
 * It exists until somebody calls {@link unlink}, whoever uses it. A segment that this process makes
 * goes at the latest when this process ends, be it by `kill -9`; a line on stderr says so. That is
 * done by a shell of its own, which starts with the first of them, and only on Linux: macOS does
 * not tell which names there are. A child's go with the child. To have it outlive this process,
 * make it with `track: false`; who attaches never removes it.
 *
 * @example
 * ```ts
 * using shm = new SharedMemory({ create: true, size: 1e6 });
 * shm.buf.write('hello');
 * await run(`python3 reader.py ${shm.name}`);
 * shm.unlink();
 * ```
 */
export class SharedMemory {
  readonly #name: string;
  readonly #size: number;
  readonly #memory: ArrayBuffer;
  #buf: Buffer<ArrayBuffer>;
  #isOpen = true;

  /**
   * @throws SystemError `EEXIST`: to be made, and there; `ENOENT`: not there; `ENOSPC`: no room for
   *   it; `EINVAL`: there, and of no size yet; `EACCES`, `EMFILE`, `ENOMEM`
   * @throws RangeError `ERR_OUT_OF_RANGE`: a size of 0 or less to be made
   * @throws TypeError `ERR_INVALID_ARG_TYPE`: no name, and nothing to be made
   */
  constructor(options: SharedMemoryOptions & NoFunction) {
    const { name, create: how = false, size = 0, track: shallTrack = true } = readOptions(options);
    assertInteger(size, 'size', how === false ? 0 : 1);
    let buffer: ArrayBuffer;
    if (name !== undefined) {
      this.#name = name;
      if (how === 'if-missing') buffer = createOrAttach(name, size, shallTrack);
      else buffer = how ? createNamed(name, size, shallTrack) : attach(name);
    } else {
      assertType(how === true, 'name', 'of type string unless it is to be made', name);
      [this.#name, buffer] = createAnywhere(size, shallTrack);
    }
    this.#memory = buffer;
    this.#buf = Buffer.from(buffer);
    this.#size = buffer.byteLength;
  }

  /** Without a slash. On Linux it is a file of that name in /dev/shm. */
  get name(): string {
    return this.#name;
  }

  /** In bytes: what was asked for; on macOS the whole pages that it takes. */
  get size(): number {
    return this.#size;
  }

  /** The memory. Empty after {@link close}, as is every view of it. */
  get buf(): Buffer<ArrayBuffer> {
    return this.#buf;
  }

  /**
   * Unmaps it, in this process, as {@link munmap} does: what Node has under way with it goes on.
   * Without this, it is unmapped when nobody has it or its `buf` any more. May be called twice.
   */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    munmap(this.#memory);
    this.#buf = Buffer.alloc(0);
  }

  /**
   * Removes the name, for all. Processes that have the memory keep it.
   *
   * @throws SystemError `ENOENT` if somebody has done so before
   */
  unlink(): void {
    try {
      shmUnlink(`/${this.name}`);
    } finally {
      untrack(this.#name, isRandomName(this.#name));
    }
  }

  /** {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  static {
    checkReceivers(this, (object) => #name in object);
    inspectBy(this, describe);
    function describe(this: SharedMemory): string {
      return `SharedMemory(${inspect(this.name)}, size=${this.size})`;
    }
  }

  static {
    makeShareable<SharedMemory, string>('SharedMemory', SharedMemory, {
      toParts: ({ name }) => name,
      fromParts: (name) => new SharedMemory({ name }),
    });
  }
}
