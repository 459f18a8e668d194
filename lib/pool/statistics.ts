// Numbers that a pool gives of itself and its workers.
import { performance } from '../common/originals.js';
import type { Crew, State } from './crew/crew.js';

/** A worker, as {@link PoolStatistics} has it. */
export interface WorkerStatistics {
  pid: number;
  name: string;
  /** Whether it gets ready, has tasks, has none, or is about to end. */
  state: 'starting' | 'busy' | 'idle' | 'ending';
  /** How many tasks it has in hand. A map has several items in a task. */
  tasks: number;
  /** How many it has done. */
  completed: number;
  /** How long they took, in milliseconds. */
  busyTime: number;
  /** How long it has been there, in milliseconds. */
  age: number;
}

/** The state of a pool and its workers, and what they have done. */
export interface PoolStatistics {
  state: State;
  /** How many calls and maps are not done. */
  pending: number;
  /** How many workers were forked. */
  forks: number;
  /** How many of them ended when they should not. */
  lost: number;
  workers: WorkerStatistics[];
}

export function statisticsOf(crew: Crew): PoolStatistics {
  return {
    state: crew.state,
    pending: crew.jobs,
    forks: crew.forks,
    lost: crew.lost,
    workers: crew.workers.map((worker) => ({
      pid: worker.pid,
      name: worker.name,
      state: worker.state,
      tasks: worker.held,
      completed: worker.completed,
      busyTime: worker.busyTime,
      age: performance.now() - worker.startedAt,
    })),
  };
}
