// How many processors there are for us, which may be fewer than there are.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

function readWords(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').trim().split(/\s+/);
  } catch {
    return []; // no such limit
  }
}

/** A quota of CPU time in each period, in processors. */
function quota(limit: string | undefined, period: string | undefined): number {
  const processors = Number(limit) / Number(period);
  return processors > 0 ? processors : Infinity; // "max", −1 or nothing: no limit
}

/** The directory of a cgroup below `mount`, and those above it, whose limits hold as well. */
function* upwards(mount: string, path: string): Iterable<string> {
  const names = path.split('/').filter(Boolean);
  for (let depth = names.length; depth >= 0; depth--) {
    yield [mount, ...names.slice(0, depth)].join('/');
  }
}

function* quotas(): Iterable<number> {
  // "hierarchy:controllers:path"; the one hierarchy of version 2 names no controllers.
  for (const line of readWords('/proc/self/cgroup')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers === '') {
      for (const group of upwards('/sys/fs/cgroup', path)) {
        const [limit, period] = readWords(`${group}/cpu.max`);
        yield quota(limit, period);
      }
    } else if (controllers!.split(',').includes('cpu')) {
      for (const group of upwards('/sys/fs/cgroup/cpu', path)) {
        const [limit] = readWords(`${group}/cpu.cfs_quota_us`);
        const [period] = readWords(`${group}/cpu.cfs_period_us`);
        yield quota(limit, period);
      }
    }
  }
}

/**
 * How many processors this process may use at once, at least 1: those it may run on
 * (sched_setaffinity(2), taskset), fewer if its cgroup (a container) has less CPU time.
 */
export function cpuCount(): number {
  let limit = availableParallelism();
  for (const processors of quotas()) limit = Math.min(limit, processors);
  return Math.max(1, Math.ceil(limit));
}
