// Calls that wait for pools.
import { Pool } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { programsOf, Raised, type Row, type Subject, Work } from './states.js';

const TIMED_OUT = { is: new Raised('ERR_TRUEFORK_TIMEOUT') };
const LOST = { is: new Raised('ERR_TRUEFORK_WORKER_LOST') };
const FALSE = { is: false };

type Waits = Pick<Subject, 'wait' | 'waitSync'>;

/** A pool of one, and what its worker is to do. */
function working(use: (pool: Pool, run: () => Promise<string>) => Waits): Subject {
  const work = new Work();
  const pool = new Pool(1);
  return {
    ...use(pool, work.run),
    act: () => work.act(),
    kill: () => work.kill(),
    finish: () => pool.terminate(),
  };
}

function applying(): Subject {
  return working((pool, run) => ({
    wait: (options) => pool.apply(run, [], options),
    waitSync: (options) => pool.applySync(run, [], options),
  }));
}

function mapping(): Subject {
  return working((pool, run) => ({
    wait: async (options) => (await pool.map(run, [1], options)).join(),
    waitSync: (options) => pool.mapSync(run, [1], options).join(),
  }));
}

function iterating(): Subject {
  return working((pool, run) => {
    const results = pool.imap(run, [1]);
    return {
      wait: async (options) => (await results.next(options)).value,
      waitSync: (options) => results.nextSync(options).value,
    };
  });
}

function getting(): Subject {
  return working((pool, run) => {
    const result = pool.applyAsync(run);
    result.catch(() => {});
    return {
      wait: (options) => result.get(options),
      waitSync: (options) => result.getSync(options),
    };
  });
}

function waiting(): Subject {
  return working((pool, run) => {
    const result = pool.applyAsync(run);
    result.catch(() => {});
    return {
      wait: (options) => result.wait(options),
      waitSync: (options) => result.waitSync(options),
    };
  });
}

function joining(): Subject {
  return working((pool, run) => {
    pool.applyAsync(run).catch(() => {});
    pool.close();
    return {
      wait: (options) => pool.join(options),
      waitSync: (options) => pool.joinSync(options),
    };
  });
}

const DONE = { value: 'done', timeout: TIMED_OUT, dead: LOST, isOwn: true };
const ENDED = { value: true, timeout: FALSE, dead: { is: true }, isOwn: true };

const rows: Record<string, Row> = {
  'Pool.apply': { make: applying, ...DONE },
  'Pool.map': { make: mapping, ...DONE },
  'the next of Pool.imap': { make: iterating, ...DONE },
  'AsyncResult.get': { make: getting, ...DONE },
  'AsyncResult.wait': { make: waiting, ...ENDED },
  'Pool.join': { make: joining, ...ENDED },
};

export const scenarios: Scenarios = programsOf(rows);
