// The hooks of module.register() run in a thread of their own, which a child does not have. Where a
// child imports something, it starts another one.
import { emitWarning, process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nodeInternals } from './node-internals.js';

const HOOKS = 'internal/modules/esm/hooks';
const REQUESTS = ['waitForWorker', 'makeAsyncRequest', 'makeSyncRequest'] as const;

/**
 * Node's class that asks the thread, a HooksProxy or AsyncLoaderHookWorker. Each object has its
 * thread.
 */
type HooksThread = Record<(typeof REQUESTS)[number], (...args: unknown[]) => unknown> & {
  constructor: new () => HooksThread;
};

/** Takes the place of the parent's, once something is asked. */
let own: HooksThread | undefined;
let isParentsGone = false;
let isInstalled = false;
let hasWarned = false;

function alive(thread: HooksThread): HooksThread {
  if (!isParentsGone || thread === own) return thread;
  own ??= new thread.constructor();
  return own;
}

function isOfHooks(prototype: object | undefined): prototype is HooksThread {
  return prototype !== undefined && 'makeSyncRequest' in prototype;
}

function askTheLiving(threads: HooksThread): void {
  for (const name of REQUESTS) {
    const request = threads[name];
    threads[name] = function (this: HooksThread, ...args) {
      return Reflect.apply(request, alive(this), args);
    };
  }
}

let hadHooks = false;

/** Node loads the module with the first hooks. */
export function haveHooks(): boolean {
  if (hadHooks) return true;
  const { moduleLoadList } = process as typeof process & { moduleLoadList: string[] };
  hadHooks = moduleLoadList.includes(`NativeModule ${HOOKS}`);
  return hadHooks;
}

/** Call it in the parent, where it forks. */
export function warnOfHooks(): void {
  if (!haveHooks() || hasWarned) return;
  hasWarned = true;
  emitWarning(
    'A process with hooks of module.register() was forked. In the child, import() and import.meta.resolve() ' +
      'work without them: their thread is not there. Import before you fork what needs them, or ' +
      'register them again in the child.',
    { type: 'TrueforkWarning', code: 'TRUEFORK_LOADER_HOOKS' },
  );
}

/** Call it in each forked child. */
export function forgetHooks(): void {
  own = undefined;
  isParentsGone = hadHooks;
  if (isInstalled || !isParentsGone) return;
  isInstalled = true;
  const classes = Object.values(nodeInternals().requireBuiltin(HOOKS));
  const threads = classes.map(({ prototype }) => prototype).find(isOfHooks);
  if (threads !== undefined) askTheLiving(threads);
}

precompileForChildren(haveHooks, forgetHooks);
