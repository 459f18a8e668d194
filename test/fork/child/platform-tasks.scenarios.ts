// Tasks of V8 and Node for the program between its turns: the parent's comes in the
// parent alone, and the child's own comes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance, PerformanceObserver } from 'node:perf_hooks';
import { measureMemory } from 'node:vm';
import { BroadcastChannel } from 'node:worker_threads';
import { inChild, Pool } from 'truefork';
import { _exit } from 'truefork/posix';
import { compileWasmLater } from '../../stress/wasm.js';
import { sleep, until } from '../../support/observe.js';
import type { Scenario, Scenarios } from '../../support/scenarios.js';
import { liveOn, parent, started, succeeds } from './support.js';

// Not in the types of Node 20.
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(bytes: Uint8Array, imports?: object): Promise<object>;
};
type Waiting = { value: Promise<string> };
const { waitAsync } = Atomics as unknown as {
  waitAsync(words: Int32Array, index: number, value: number, timeout?: number): Waiting;
};
/** Run Node with --expose-gc. */
declare const gc: () => void;

const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const NO_MODULE = Uint8Array.of(1, 2, 3);
/** Imports the function `a.b` and starts with it. */
const IMPORT_AND_START = [1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 0x61, 1, 0x62, 0, 0, 8, 1, 0];
const STARTING_MODULE = Uint8Array.of(...EMPTY_MODULE, ...IMPORT_AND_START);

function words(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

function nothing(): void {}

/** Tasks that can be under way when a process is forked. Each calls `come` once. */
const UNDER_WAY: Record<string, (come: () => void) => unknown> = {
  'a compilation': (come) => WebAssembly.compile(EMPTY_MODULE).then(come),
  'a compilation on other threads': (come) => compileWasmLater(1).then(come),
  'a compilation that fails': (come) => WebAssembly.compile(NO_MODULE).catch(come),
  'an instance': (come) => WebAssembly.instantiate(EMPTY_MODULE).then(come),
  'an instance that calls what it imports'(come) {
    const { pid } = process;
    const b = (): void => assertIn(pid, 'a call of what is imported');
    void WebAssembly.instantiate(STARTING_MODULE, { a: { b } }).then(come, come);
  },
  'a wait with a timeout': (come) => waitAsync(words(), 0, 0, 20).value.then(come),
  'a wait that is over'(come) {
    const shared = words();
    void waitAsync(shared, 0, 0).value.then(come);
    Atomics.notify(shared, 0);
  },
  'memory that is measured': (come) => measureMemory({ execution: 'eager' }).then(come),
  'memory that is measured some time': (come) => measureMemory().then(come),
  'an observer'(come) {
    const observer = new PerformanceObserver(() => {
      observer.disconnect();
      come();
    });
    observer.observe({ entryTypes: ['mark'] });
    performance.mark('mark');
  },
  'a broadcast'(come) {
    const name = `of ${process.pid}`;
    const [from, to] = [new BroadcastChannel(name), new BroadcastChannel(name)];
    to.addEventListener('message', () => {
      from.close();
      to.close();
      come();
    });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    from.postMessage('hello');
  },
};

const MOMENTS: (() => Promise<unknown>)[] = [
  async () => null,
  () => new Promise((resolve) => setImmediate(resolve)),
  () => sleep(1),
];

function assertIn(pid: number, what: string): void {
  if (process.pid === pid) return;
  writeSync(2, `came in the child: ${what}\n`);
  _exit(66);
}

/** All of it, and on no other occasion. */
async function useEverything(): Promise<void> {
  const keepsAlive = setInterval(nothing, 1000);
  assert.ok(await compileWasmLater(2));
  await WebAssembly.instantiate(EMPTY_MODULE);
  const shared = words();
  assert.equal(await waitAsync(shared, 0, 0, 1).value, 'timed-out');
  const waiting = waitAsync(shared, 0, 0).value;
  Atomics.notify(shared, 0);
  assert.equal(await waiting, 'ok');
  await measureMemory({ execution: 'eager' });
  await observe();
  await finalize();
  clearInterval(keepsAlive);
}

function observe(): Promise<void> {
  return new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      assert.deepEqual(
        list.getEntries().map(({ name }) => name),
        ['own'],
      );
      observer.disconnect();
      resolve();
    });
    observer.observe({ entryTypes: ['mark'] });
    performance.mark('own');
  });
}

async function finalize(): Promise<void> {
  const held: string[] = [];
  const registry = new FinalizationRegistry<string>((value) => held.push(value));
  (() => registry.register({}, 'own'))();
  await sleep(1);
  gc();
  await until(() => held.length > 0);
}

function withGc(run: () => unknown): Scenario {
  return {
    run,
    stderr: /^(.*ExperimentalWarning.*\n.*\n)?$/,
    options: { nodeArgs: ['--expose-gc'] },
  };
}

/** Begins everything. Returns when all of it has come, and has come once. */
function beginEverything(): () => Promise<void> {
  const counts = new Map<string, number>();
  const { pid } = process;
  for (const [what, begin] of Object.entries(UNDER_WAY)) {
    counts.set(what, 0);
    void begin(() => {
      assertIn(pid, what);
      counts.set(what, counts.get(what)! + 1);
    });
  }
  return async () => {
    const missing = (): string[] => [...counts.keys()].filter((what) => counts.get(what) === 0);
    gc();
    await until(() => missing().length === 0).catch(() => assert.deepEqual(missing(), []));
    for (const [what, count] of counts) assert.equal(count, 1, what);
  };
}

async function answerTo(url: string): Promise<string> {
  return (await fetch(url)).text();
}

export const scenarios: Scenarios = {
  'what is under way comes in the parent alone': withGc(async () => {
    for (const moment of MOMENTS) {
      const all = beginEverything();
      const early = started(liveOn);
      await moment();
      const late = started(async () => {
        gc();
        await liveOn();
      });
      await all();
      assert.equal(await early.join(), 0);
      assert.equal(await late.join(), 0);
    }
  }),

  'a child can do all of it, beside what the parent is at': withGc(async () => {
    const all = beginEverything();
    const child = started(async () => {
      await useEverything();
      beginEverything();
      await succeeds(useEverything);
      process.exit(0);
    });
    await all();
    assert.equal(await child.join(), 0);
  }),

  'so can what runs in inChild() and in a pool': withGc(async () => {
    beginEverything();
    await inChild(useEverything);
    beginEverything();
    const pool = new Pool(2);
    await pool.map(useEverything, [0, 1, 2, 3]);
    pool.close();
    await pool.join();
  }),

  'a fork in what follows a compilation, with more compiled': withGc(async () => {
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 3; i++) {
        void compileWasmLater(100 * round + i).then(() => assertIn(parent, 'a compilation'));
      }
      await WebAssembly.compile(EMPTY_MODULE);
      await succeeds(useEverything);
    }
  }),

  // The end of a compilation may come in the turn of the loop in which a child is forked:
  // one time in a hundred.
  async 'three hundred children of a parent that compiles all the time end'() {
    const end = new AbortController();
    const compiling = (async () => {
      for (let i = 0; !end.signal.aborted; i++) {
        await compileWasmLater(1000 * i);
        assertIn(parent, 'a compilation');
      }
    })();
    for (let i = 0; i < 300; i++) {
      await sleep(1);
      assert.equal(await started(nothing).join(), 0);
    }
    end.abort();
    await compiling;
  },

  'finalizers that wait when the process is forked do not keep others waiting': withGc(async () => {
    const registry = new FinalizationRegistry(nothing);
    (() => {
      for (let i = 0; i < 10; i++) registry.register({}, i);
    })();
    await sleep(1);
    gc();
    await succeeds(finalize);
  }),

  async 'the first fetch is sent once, and a child can fetch meanwhile'() {
    const asked: string[] = [];
    const server = createServer(({ url }, response) => {
      asked.push(url!);
      response.end(url);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const answer = answerTo(`${url}/parent`);
    const child = started(async () => {
      assert.equal(await answerTo(`${url}/child`), '/child');
      await succeeds(async () => void (await answerTo(`${url}/grandchild`)));
    });
    assert.equal(await answer, '/parent');
    assert.equal(await child.join(), 0);
    assert.deepEqual(asked.toSorted(), ['/child', '/grandchild', '/parent']);
    server.close();
    server.closeAllConnections();
  },
};
