import { readFileSync } from 'node:fs';

function pssOf(pid: number): number {
  let rollup: string;
  try {
    rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return 0; // it has just ended
  }
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)![1]) / 1000;
}

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return list === '' ? [] : list.split(' ').map(Number);
}

/**
 * The memory of this process and its children in megabytes, in which what several of them
 * share counts once.
 */
export function totalPss(): number {
  return [process.pid, ...childrenOf(process.pid)].reduce((sum, pid) => sum + pssOf(pid), 0);
}
