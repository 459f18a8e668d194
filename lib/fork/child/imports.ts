// Modules that the parent is about to load: it alone comes to the end of that. A child that imports
// one of them begins anew.
import { nodeInternals, type InternalModules, type ModuleJob } from '../node-internals.js';

/** As V8 counts: a module from here on has all that it imports. */
const INSTANTIATED = 2;

type Loader = ReturnType<
  InternalModules['internal/modules/esm/loader']['getOrInitializeCascadedLoader']
>;

function loader(): Loader {
  return nodeInternals()
    .requireBuiltin('internal/modules/esm/loader')
    .getOrInitializeCascadedLoader();
}

function isUnderWay(job: ModuleJob | (() => unknown) | undefined): boolean {
  if (typeof job !== 'object') return false;
  return job.module === undefined || job.module.getStatus() < INSTANTIATED;
}

/** Call it in the parent, where it forks. Returns their URLs. */
export function importsUnderWay(): string[] {
  return [...loader().loadCache.entries()]
    .filter(([, jobs]) => Object.values(jobs).some(isUnderWay))
    .map(([url]) => url);
}

/** Call it in the child. */
export function forgetImports(urls: readonly string[]): void {
  // Not the method of the cache, which is for one type of module.
  for (const url of urls) Map.prototype.delete.call(loader().loadCache, url);
}
