// A child that ends with its parent. The kernel sends it a signal, but forgets to when either has
// changed its user: it takes the wish back from a child that does, and a parent that has given up
// its privileges may not signal a child that has not. So where privileges can be given up the child
// watches its parent, too.
import { constants } from 'node:os';
import { process } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { precompileForChildren } from '../common/precompiled.js';
import { parentDeathSignal, setParentDeathSignal } from '../fork/forked-child.js';
import { OwnDescriptor } from '../fork/own-descriptor.js';
import { getppid } from '../posix/attributes.js';
import { MAP_ANONYMOUS, MAP_SHARED, mmap, PROT_READ, PROT_WRITE } from '../posix/memory.js';
import { READABLE } from '../posix/poller.js';
import { kill, pidfdOpen } from '../posix/wait.js';

const ROOT = 0;
const PAGE_BYTES = 4096;
const CHANGES = ['setuid', 'seteuid', 'setgid', 'setegid'] as const;

/** The user of this process, for its children to see what becomes of it. */
let user: Int32Array | undefined;
/** In a child: the user of its parent. */
let userOfParent: Int32Array | undefined;
/** The pid of the parent with which this process ends. */
let parent: number | undefined;
let areChangesWatched = false;

function onChange(): void {
  if (user !== undefined) user[0] = process.geteuid!();
  if (parent !== undefined) askKernel(parent);
}

function watchChanges(): void {
  areChangesWatched = true;
  for (const name of CHANGES) {
    const change = process[name]!;
    process[name] = (id) => {
      Reflect.apply(change, process, [id]);
      onChange();
    };
  }
}

function isPrivileged(): boolean {
  return (
    process.platform === 'linux' && (process.getuid!() === ROOT || process.geteuid!() === ROOT)
  );
}

/** Call it in the parent, before it forks a child that ends with it. */
export function prepareChildToEnd(): void {
  if (!isPrivileged()) return;
  if (!areChangesWatched) watchChanges();
  user ??= new Int32Array(
    mmap(PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
  );
  user[0] = process.geteuid!();
}

function askKernel(pid: number): void {
  setParentDeathSignal(constants.signals.SIGTERM);
  // It may have died before that.
  if (getppid() !== pid) kill(process.pid, 'SIGTERM');
}

/**
 * Whether the kernel has sent the signal when the parent died: two of them would be one too many.
 */
function hasKernelSignalled(userThen: number): boolean {
  const may = userThen === ROOT || userThen === process.getuid!();
  return may && parentDeathSignal() !== 0;
}

function watchParent(pid: number, itsUser: Int32Array): void {
  const descriptor = new OwnDescriptor(pidfdOpen(pid));
  const onDeath = (): void => {
    descriptor.close();
    if (!hasKernelSignalled(itsUser[0]!)) kill(process.pid, 'SIGTERM');
  };
  descriptor.watch(READABLE, onDeath, false);
}

/** Call it in the child: it gets SIGTERM when the parent dies. */
export function endWithParent(pid: number, havePidfds: boolean): void {
  parent = pid;
  askKernel(pid);
  if (userOfParent !== undefined && havePidfds) watchParent(pid, userOfParent);
}

onForkedChild(() => {
  userOfParent = user;
  user = undefined;
  parent = undefined;
});
precompileForChildren(endWithParent, askKernel, watchParent);
