// Jobs that worker processes share out among them.
import { Pool } from 'truefork';

/** A job whose worker was lost is given to another one so many times. */
const RETRIES = 1;

/**
 * Has `processes` workers do the jobs 0 to `count` - 1. They have everything that this process
 * has now; a job goes to them as a mere number. Calls `done` with each result as it comes.
 *
 * @returns the jobs that were lost with all the workers that had tried them
 */
export async function shareOut<Result>(
  work: (job: number) => Result,
  count: number,
  processes: number,
  done: (result: Awaited<Result>) => void,
): Promise<number[]> {
  const missing = new Set(Array.from({ length: count }, (_, job) => job));
  await using pool = new Pool(processes);
  const attempt = async (job: number): Promise<[number, Awaited<Result>]> => [job, await work(job)];
  const results = pool.imapUnordered(attempt, [...missing], { retries: RETRIES });
  for (;;) {
    try {
      const next = await results.next();
      if (next.done === true) return [...missing];
      const [job, result] = next.value;
      missing.delete(job);
      done(result);
    } catch {
      // The worker was lost: its job remains missing.
    }
  }
}
