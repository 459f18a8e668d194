// Worker processes that share out a list of jobs.
import { EOFError, Pipe, Process, type Connection } from 'truefork';

/** A job that kills every worker which tries it is given up after so many. */
const MAX_ATTEMPTS = 2;

interface Worker {
  process: Process;
  connection: Connection;
}

/**
 * Runs jobs in forked processes. These have everything that this process has when
 * the crew is made; a job goes to them as a mere number, and its result comes back.
 */
export class Crew<Result> {
  readonly #work: (job: number) => Result;
  readonly #lost: (job: number, how: string) => Result;
  readonly #workers = new Set<Worker>();

  /**
   * @param work runs in the workers
   * @param lost makes the result of a job whose workers have died
   */
  constructor(work: (job: number) => Result, lost: (job: number, how: string) => Result) {
    this.#work = work;
    this.#lost = lost;
  }

  /** Has `size` workers do the jobs 0 to `count` - 1. Calls `done` with each result as it comes. */
  async run(size: number, count: number, done: (result: Result) => void): Promise<void> {
    const jobs = Array.from({ length: count }, (_, job) => job).values();
    const members = Array.from({ length: Math.min(size, count) }, () => this.#start());
    await Promise.all(members.map((worker) => this.#lead(worker, jobs, done)));
  }

  #start(): Worker {
    const [ours, theirs] = Pipe();
    const process = new Process({
      daemon: true,
      target: () => {
        // A worker that had a copy of this process's end would never see it closed.
        for (const { connection } of this.#workers) connection.close();
        ours.close();
        this.#serve(theirs);
      },
    });
    process.start();
    theirs.close();
    const worker = { process, connection: ours };
    this.#workers.add(worker);
    return worker;
  }

  #serve(connection: Connection): void {
    try {
      for (;;) connection.sendSync(this.#work(connection.recvSync() as number));
    } catch (error) {
      if (!(error instanceof EOFError)) throw error;
    }
  }

  /** Gives a worker one job after the other, and another worker what it has died of. */
  async #lead(first: Worker, jobs: Iterator<number>, done: (result: Result) => void) {
    let worker = first;
    for (let next = jobs.next(); next.done !== true; next = jobs.next()) {
      let how = '';
      let result: Result | undefined;
      for (let tries = 0; tries < MAX_ATTEMPTS && result === undefined; tries++) {
        result = await this.#ask(worker, next.value);
        if (result !== undefined) continue;
        how = await this.#end(worker);
        worker = this.#start();
      }
      done(result ?? this.#lost(next.value, how));
    }
    await this.#end(worker);
  }

  /** The result of a job, or undefined if the worker died. */
  async #ask({ connection }: Worker, job: number): Promise<Result | undefined> {
    try {
      await connection.send(job);
      return (await connection.recv()) as Result;
    } catch {
      return undefined;
    }
  }

  async #end(worker: Worker): Promise<string> {
    worker.connection.close();
    this.#workers.delete(worker);
    await worker.process.join();
    return worker.process.exitSignal ?? `exit code ${worker.process.exitcode}`;
  }
}
