// Work that a function has begun and not awaited: it is done, where its process ends in peace.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGzip, gunzipSync } from 'node:zlib';
import { inChild, Pool, type PoolOptions } from 'truefork';
import { sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { caught, finish, leavesNothing, range, square } from './support.js';

function ignore(): void {}

function withFile(use: (path: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = fs.mkdtempSync(join(tmpdir(), 'truefork-unawaited-'));
    try {
      await use(join(directory, 'file'));
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  };
}

function linesOf(path: string): string[] {
  return fs.readFileSync(path, 'utf8').split('\n').slice(0, -1).toSorted();
}

const LINES = range(10).map(String);

/** Ten tasks that log a line each, as loggers do, and a pool that ends in peace. */
function logs(options: PoolOptions, end: (pool: Pool) => unknown = ignore): () => Promise<void> {
  return withFile((path) =>
    leavesNothing(async () => {
      const pool = new Pool(options);
      await pool.map((i: number) => fs.appendFile(path, `${i}\n`, ignore), range(10), 1);
      await end(pool);
      await finish(pool);
      assert.deepEqual(linesOf(path), LINES);
    }),
  );
}

/** Nobody writes to it: to open it takes for ever, in a thread of libuv's pool. */
function makeFifo(path: string): string {
  execFileSync('mkfifo', [path]);
  return path;
}

const DROPPED =
  /^\(node:\d+\) \[TRUEFORK_REQUESTS_DROPPED\] TrueforkWarning: Process \d+ had nothing left to do .* 5 seconds later without the end of: FSReq\w+\. .*\n\(Use `node.*\n$/;

export const scenarios: Scenarios = {
  'close and join': logs({ processes: 2 }),
  'each task has a worker of its own': logs({ processes: 2, maxTasksPerChild: 1 }),
  'fewer workers': logs({ processes: 3 }, (pool) => pool.resize(1)),
  'idle workers end': logs({ processes: 2, idleTimeout: 1 }, () => sleep(20)),
  'workers that know an older function end': logs({ processes: 1 }, (pool) => pool.apply(() => 1)),

  'promises, streams, and what comes after a tick': withFile(async (path) => {
    const pool = new Pool(1);
    await pool.apply(() => void fs.promises.writeFile(`${path}.1`, 'x'.repeat(1e6)));
    await pool.apply(() => {
      const stream = fs.createWriteStream(`${path}.2`);
      for (const line of range(1000)) stream.write(`${line}\n`);
      stream.end();
    });
    await pool.apply(() => {
      const text = Readable.from(range(1000).map((i) => `${i}\n`));
      pipeline(text, createGzip(), fs.createWriteStream(`${path}.3`), ignore);
    });
    await pool.apply(() => {
      const later = (): void => fs.appendFile(`${path}.4`, 'later', ignore);
      process.nextTick(() => setImmediate(() => queueMicrotask(later)));
    });
    await finish(pool);
    assert.equal(fs.statSync(`${path}.1`).size, 1e6);
    assert.equal(linesOf(`${path}.2`).length, 1000);
    assert.equal(
      gunzipSync(fs.readFileSync(`${path}.3`))
        .toString()
        .split('\n').length,
      1001,
    );
    assert.equal(fs.readFileSync(`${path}.4`, 'utf8'), 'later');
  }),

  async 'what is written to a socket'() {
    const received: Buffer[] = [];
    const server = net.createServer((socket) => socket.on('data', (data) => received.push(data)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const pool = new Pool(1);
    await pool.apply(
      (to: number) => {
        net.connect(to, '127.0.0.1').end(Buffer.alloc(5e6));
      },
      [port],
    );
    await finish(pool);
    await until(() => Buffer.concat(received).length === 5e6);
    server.close();
  },

  'an initializer that fails': withFile(async (path) => {
    const initializer = (): never => {
      fs.appendFile(path, 'failed\n', ignore);
      throw new Error('no');
    };
    const pool = new Pool({ processes: 1, initializer });
    assert.equal((await caught(pool.apply(square, [1]))).name, 'BrokenPoolError');
    await pool.join();
    assert.equal(linesOf(path)[0], 'failed');
  }),

  inChild: withFile(async (path) => {
    await inChild(() => {
      for (const line of LINES) fs.appendFile(path, `${line}\n`, ignore);
    });
    assert.deepEqual(linesOf(path), LINES);
    await caught(
      inChild(() => {
        fs.appendFile(path, 'failed\n', ignore);
        throw new Error('no');
      }),
    );
    assert.deepEqual(linesOf(path), [...LINES, 'failed']);
  }),

  // A handle that may be there for as long as the process is does not keep it.
  async 'timers, servers and connections are not waited for'() {
    const keep = async (): Promise<void> => {
      setInterval(ignore, 10);
      setTimeout(ignore, 600_000);
      const server = net.createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    };
    await inChild(keep);
    const pool = new Pool(2);
    await pool.map(keep, range(4));
    await finish(pool);
  },

  'terminate() waits for nothing': withFile(async (path) => {
    makeFifo(path);
    const pool = new Pool(1);
    await pool.apply(() => fs.open(path, ignore));
    pool.terminate();
    assert.equal(await pool.join(), true);
  }),

  'a worker gives up after a while, and says so': {
    run: withFile(async (path) => {
      makeFifo(path);
      const pool = new Pool(1);
      await pool.apply(() => fs.open(path, ignore));
      await finish(pool);
    }),
    stderr: DROPPED,
  },

  'a child gives up after a while, and says so': {
    run: withFile(async (path) => {
      makeFifo(path);
      const work = (): string => {
        fs.open(path, ignore);
        return 'the result';
      };
      assert.equal(await inChild(work), 'the result');
    }),
    stderr: DROPPED,
  },

  'a worker that is about to end can be terminated': withFile(async (path) => {
    makeFifo(path);
    const pool = new Pool(1);
    await pool.apply(() => fs.open(path, ignore));
    pool.close();
    assert.equal(await pool.join(20), false);
    pool.terminate();
    assert.equal(await pool.join(), true);
  }),

  'a worker that is about to end ends with its parent': withFile(async (path) => {
    makeFifo(path);
    const pid = await inChild(async () => {
      const pool = new Pool(1);
      const worker = await pool.apply(() => {
        fs.open(path, ignore);
        return process.pid;
      });
      pool.close();
      return worker;
    });
    assert.equal(fs.existsSync(`/proc/${pid}`), false);
  }),
};
