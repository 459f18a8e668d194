// Tasks that some workers have in hand and have not begun, while others have nothing to do.
import { performance } from '../../common/originals.js';
import type { JobQueue } from '../jobs/job-queue.js';
import type { Settings } from '../options.js';
import type { Agenda } from './agenda.js';
import type { CrewSteps } from './deadlines.js';
import type { Roster } from './roster.js';
import type { Worker } from './worker.js';

/** How long a worker may be idle while others have tasks waiting, in milliseconds. */
const IDLE_BEFORE_RECALL_MS = 1;
/** How often to look whether one that is about to begin has done so, in milliseconds. */
const BEGINNING_LOOK_INTERVAL_MS = 5;

export class Balance {
  readonly #settings: Settings;
  readonly #roster: Roster;
  readonly #queue: JobQueue;
  readonly #agenda: Agenda;
  readonly #crew: CrewSteps;

  constructor(
    settings: Settings,
    roster: Roster,
    queue: JobQueue,
    agenda: Agenda,
    crew: CrewSteps,
  ) {
    this.#settings = settings;
    this.#roster = roster;
    this.#queue = queue;
    this.#agenda = agenda;
    this.#crew = crew;
  }

  /** No worker is to be idle for long while another has tasks that it has not begun. */
  look(): void {
    this.#lookIn(IDLE_BEFORE_RECALL_MS);
  }

  /** Has tasks taken back, in some milliseconds, that others could begin by then. */
  #lookIn(milliseconds: number): void {
    const { seated } = this.#roster;
    const isUneven = this.#idle() !== undefined && seated.some(({ waiting }) => waiting > 0);
    if (this.#queue.first !== undefined || !isUneven) return;
    this.#agenda.add(performance.now() + milliseconds, this.#rebalance);
  }

  /** The workers that could begin a task; undefined if there are none, and none can be forked. */
  #idle(): Worker[] | undefined {
    const { seated } = this.#roster;
    const idle = seated.filter((worker) => worker.held === 0 && worker.canTakeMore);
    return idle.length === 0 && seated.length >= this.#settings.processes ? undefined : idle;
  }

  /** Workers with tasks that others could begin at once. */
  #overloaded(): Worker[] {
    const isReady = this.#idle()?.some((worker) => worker.isReady);
    if (isReady === undefined) return [];
    // One that runs nothing is about to begin, if it is ready.
    return this.#roster.seated.filter(
      (worker) =>
        worker.waiting > 0 && (worker.held > worker.waiting || (isReady && !worker.isReady)),
    );
  }

  readonly #rebalance = (): void => {
    if (this.#queue.first !== undefined) return;
    for (const worker of this.#overloaded()) this.#crew.takeBack(worker);
    // A task that a worker is about to begin may be long, and its beginning sends no message.
    this.#lookIn(BEGINNING_LOOK_INTERVAL_MS);
  };
}
