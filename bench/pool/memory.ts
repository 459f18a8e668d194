import { readFileSync } from 'node:fs';

function pssOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)![1]) / 1000;
}

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

/**
 * The memory of this process and its children in megabytes, in which what several of them
 * share counts once.
 *
 * @param without a child that is not to be counted
 */
export function totalPss(without: number | undefined): number {
  const pids = childrenOf(process.pid).filter((pid) => pid !== without);
  return [process.pid, ...pids].reduce((sum, pid) => sum + pssOf(pid), 0);
}
