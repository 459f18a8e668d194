// libuv lets only half of its thread pool do slow jobs (dns.lookup), and counts
// those that run. A forked child starts with the parent's count, which nothing
// ever lowers there; were it half of the pool, the child could never look up a
// name. So its pool gets that many more threads, twice.
import { check } from '../common/errors.js';
import { process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';
import { nativeFork } from '../native/fork.js';

const SIZE = 'UV_THREADPOOL_SIZE';
const DEFAULT_POOL_SIZE = 4;
const MAX_POOL_SIZE = 1024;
const SLOW_REQUESTS = new Set(['GetAddrInfoReqWrap', 'GetNameInfoReqWrap']);

let inherited = 0;

function poolSize(): number {
  const size = Number.parseInt(process.env[SIZE] ?? '', 10);
  return size > 0 ? Math.min(size, MAX_POOL_SIZE) : DEFAULT_POOL_SIZE;
}

/** How many slow jobs may be running now. */
export function countSlowJobs(): number {
  if (nativeFork.activeRequests() === 0) return 0;
  const slow = process.getActiveResourcesInfo().filter((kind) => SLOW_REQUESTS.has(kind));
  return Math.min(slow.length, Math.ceil(poolSize() / 2));
}

/** Call it in a child at whose fork `running` slow jobs were running. */
export function outgrowSlowJobs(running: number): void {
  inherited += running;
}

/** Call it in the child, at its event loop, before anything uses the thread pool. */
export function startThreadPool(): void {
  if (inherited === 0) return;
  // libuv reads the variable when the pool starts; the child's own children
  // need not see what we did.
  const before = process.env[SIZE];
  process.env[SIZE] = String(Math.min(poolSize() + 2 * inherited, MAX_POOL_SIZE));
  try {
    check(nativeFork.startThreadPool(), 'uv_queue_work');
  } finally {
    if (before === undefined) delete process.env[SIZE];
    else process.env[SIZE] = before;
  }
}

precompileForChildren(outgrowSlowJobs, startThreadPool);
