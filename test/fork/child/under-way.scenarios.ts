// Work that is under way in the parent when it forks goes on there alone.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { createReadStream, promises as files, readFile, writeSync } from 'node:fs';
import { Readable } from 'node:stream';
import { MessageChannel } from 'node:worker_threads';
import { gzip } from 'node:zlib';
import type { Process } from 'truefork';
import { _exit, kill } from 'truefork/posix';
import { sleep, until } from '../../support/observe.js';
import type { Scenarios } from '../../support/scenarios.js';
import { connected, liveOn, parent, serve, started, stop, succeeds } from './support.js';

const self = new URL(import.meta.url);

/** Work that can be under way when a process is forked. Each calls `come` once. */
const UNDER_WAY: Record<string, (come: () => void) => unknown> = {
  'a timeout': (come) => setTimeout(come, 1),
  'a timeout without a ref': (come) => setTimeout(come, 1).unref(),
  'an interval'(come) {
    const interval = setInterval(() => {
      clearInterval(interval);
      come();
    }, 1);
  },
  'an immediate': (come) => setImmediate(come),
  'a tick': (come) => process.nextTick(come),
  'a microtask': (come) => queueMicrotask(come),
  'a promise job': (come) => void Promise.resolve().then(come),
  'an awaited promise': async (come) => {
    await Promise.resolve();
    come();
  },
  'a pending promise': (come) => void sleep(5).then(come),
  'a loop over a stream': async (come) => {
    for await (const _ of Readable.from(['a', 'b']));
    come();
  },
  'an AbortSignal': (come) => AbortSignal.timeout(5).addEventListener('abort', come),
  'a file that is read': (come) => readFile(self, come),
  'a promise for a file': (come) => void files.readFile(self).then(come),
  'a stream of a file': (come) => createReadStream(self).resume().once('close', come),
  'a key derivation': (come) => pbkdf2('secret', 'salt', 1000, 32, 'sha256', come),
  'a compression': (come) => gzip(Buffer.alloc(100_000), come),
  'a lookup': (come) => lookup('localhost', come),
  'a program': (come) => exec('true', come),
  'a signal'(come) {
    process.once('SIGUSR2', come);
    kill(process.pid, 'SIGUSR2');
  },
  'a message'(come) {
    const { port1, port2 } = new MessageChannel();
    port1.once('message', () => {
      port1.close();
      come();
    });
    port2.postMessage('hello');
  },
  async 'bytes on a socket'(come) {
    const { near, far, server } = await connected();
    far.end('hello');
    near.once('data', () => {
      near.destroy();
      server.close();
      come();
    });
  },
  async 'a datagram'(come) {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.once('message', () => socket.close(come));
    socket.send('hello', socket.address().port, '127.0.0.1');
  },
  async 'a fetch'(come) {
    const { server, url } = await serve();
    await (await fetch(url)).text();
    stop(server);
    come();
  },
};

/** Moments at which to fork, some time after everything has begun. */
const MOMENTS: Record<string, () => Promise<unknown>> = {
  'a promise job later': async () => null,
  'a tick later': () => new Promise<void>((resolve) => process.nextTick(resolve)),
  'an immediate later': () => new Promise((resolve) => setImmediate(resolve)),
  'a timer later': () => sleep(1),
};

class Arrivals {
  readonly #counts = new Map<string, number>();

  expect(what: string): () => void {
    this.#counts.set(what, 0);
    return () => {
      if (process.pid !== parent) {
        writeSync(2, `came in the child: ${what}\n`);
        _exit(66);
      }
      this.#counts.set(what, this.#counts.get(what)! + 1);
    };
  }

  async all(): Promise<void> {
    const missing = (): string[] =>
      [...this.#counts].filter(([, count]) => count === 0).map(([what]) => what);
    await until(() => missing().length === 0).catch(() => assert.deepEqual(missing(), []));
    for (const [what, count] of this.#counts) assert.equal(count, 1, what);
  }
}

export const scenarios: Scenarios = {
  async 'what is under way comes in the parent alone'() {
    for (const moment of Object.values(MOMENTS)) {
      const arrivals = new Arrivals();
      for (const [what, begin] of Object.entries(UNDER_WAY)) begin(arrivals.expect(what));
      const early = started(liveOn);
      await moment();
      const late = started(liveOn);
      await arrivals.all();
      assert.equal(await early.join(), 0);
      assert.equal(await late.join(), 0);
    }
  },

  async "a fork in a timer of the parent's, when unref'd ones are due as well"() {
    let child: Process | undefined;
    setTimeout(() => (child = started(liveOn)), 1);
    setTimeout(() => {}, 2).unref();
    setTimeout(() => {}, 3).unref();
    const end = performance.now() + 20;
    while (performance.now() < end); // all three are due
    await until(() => child !== undefined);
    assert.equal(await child!.join(), 0);
  },

  async 'a fork in what follows a job of the pool, with more jobs done'() {
    const jobs = ['a file that is read', 'a promise for a file', 'a stream of a file'] as const;
    for (const job of jobs) {
      for (let round = 0; round < 20; round++) {
        const arrivals = new Arrivals();
        for (let i = 0; i < 3; i++) UNDER_WAY[job]!(arrivals.expect(`${job} ${i}`));
        await files.stat(self);
        const child = started(liveOn);
        await arrivals.all();
        assert.equal(await child.join(), 0, job);
      }
    }
  },

  'a target that waits for what only the parent can settle': {
    async run() {
      const later = sleep(50);
      const child = started(() => later);
      assert.equal(await child.join(), 13);
      await later;
    },
    stderr:
      /^Process Process-1 ends with exit code 13: its target waits for a promise .* parent alone\.\n$/,
  },

  async "the parent's timers are stopped, and can be started again"() {
    const fired: string[] = [];
    const timer = setTimeout((name: string) => fired.push(name), 30, 'timeout');
    const interval = setInterval(() => fired.push('interval'), 30);
    const untouched = setTimeout(() => fired.push('untouched'), 30);
    await succeeds(async () => {
      await sleep(100);
      assert.deepEqual(fired, []);
      timer.refresh();
      await until(() => fired.length > 0);
      await sleep(50);
      assert.deepEqual(fired, ['timeout']);
      // Nothing to clear is nothing to object to.
      clearTimeout(timer);
      clearTimeout(untouched);
      clearInterval(interval);
    });
    clearInterval(interval);
    await until(() => fired.includes('timeout') && fired.includes('untouched'));
    assert.equal(fired.filter((name) => name === 'timeout').length, 1);
  },

  'a timer that was started again keeps the child alive': {
    async run() {
      const timer = setTimeout(() => {
        if (process.pid !== parent) console.log('fired');
      }, 30);
      await succeeds(() => void timer.refresh());
      clearTimeout(timer);
    },
    stdout: 'fired\n',
  },

  'a fork in a timer, with others due': {
    async run() {
      let child: Process | undefined;
      const order: string[] = [];
      setTimeout(() => order.push('first'), 5);
      setTimeout(() => (child = started(() => console.log('child', order.join()))), 5);
      setTimeout(() => order.push('last'), 5);
      await until(() => order.includes('last'));
      assert.equal(await child!.join(), 0);
      assert.deepEqual(order, ['first', 'last']);
    },
    stdout: 'child first\n',
  },

  async 'lookups of names while the parent is at some'() {
    const address = (): Promise<string> =>
      new Promise((resolve, reject) => {
        lookup('localhost', (error, found) => (error ? reject(error) : resolve(found)));
      });
    for (let round = 0; round < 20; round++) {
      const lookups = Array.from({ length: 50 }, address);
      await new Promise((resolve) => setImmediate(resolve));
      const child = started(async () => {
        assert.match(await address(), /^(127\.0\.0\.1|::1)$/);
        const own = await Promise.all(Array.from({ length: 20 }, address));
        assert.equal(own.length, 20);
        await succeeds(async () => void (await address()));
      });
      await Promise.all(lookups);
      assert.equal(await child.join(), 0);
    }
    assert.equal(process.env['UV_THREADPOOL_SIZE'], undefined);
  },
};
