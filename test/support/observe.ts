// Observations of a fixture on itself and its children.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * The file that glibc has open for a moment, in any of V8's threads, when it makes or trims an
 * arena.
 */
const OF_GLIBC = /^\/sys\/devices\/system\/cpu\/|^\/proc\/sys\/vm\/overcommit_memory$/;

/** The files of the open descriptors, as far as /proc tells: `socket:[4711]`. */
export function openDescriptors(process: number | 'self' = 'self'): string[] {
  const directory = `/proc/${process}/fd`;
  return readdirSync(directory)
    .map((fd) => targetOf(`${directory}/${fd}`))
    .filter((target) => target !== '' && !OF_GLIBC.test(target));
}

/** '' when it is there no more, as the directory itself. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

/** How many descriptors are open. */
export function countDescriptors(process: number | 'self' = 'self'): number {
  return openDescriptors(process).length;
}

/** How many memory mappings there are. */
export function countMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n').length;
}

/** How many mappings there are of memory that other processes can have, too. */
export function countSharedMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8').match(/^\S+ ...s /gm)?.length ?? 0;
}

/** The children of a process, by pid, with the state that ps(1) would show. */
export function children(parent: number = process.pid): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat?.parent === parent) found.set(Number(name), stat.state);
  }
  return found;
}

interface Stat {
  state: string;
  parent: number;
  threads: number;
}

function statOf(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // it has ended meanwhile
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, parent: Number(fields[1]), threads: Number(fields[17]) };
}

/** Whether a process exists and could not be reaped: its last thread has not ended. */
export function isRunning(pid: number): boolean {
  const stat = statOf(pid);
  if (stat === undefined) return false;
  return !['Z', 'X'].includes(stat.state) || stat.threads > 1;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How long until() waits: a hang is noticed after that. Some machines take 0.2 s for a fork. */
const UNTIL_TIMEOUT_MS = 120_000;

/** Waits until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + UNTIL_TIMEOUT_MS;
  while (!condition()) {
    if (Date.now() > end)
      throw new Error(`not within ${UNTIL_TIMEOUT_MS} ms: ${String(condition)}`);
    await sleep(5);
  }
}
