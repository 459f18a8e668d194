// multiprocessing.connection.wait: the rows of TestWait, and what Node adds.
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Connection, Pipe, Process, wait, waitSync, type Waitable } from 'truefork';
import { _exit, close, fork, pipe, read, socketpair, waitpid, write } from 'truefork/posix';
import { countDescriptors, openDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { CLOSED, started, turn } from './support.js';

/** Children that each send their number ten times, and the ends to receive from. */
function writers(count: number, pause: () => Promise<void>): Connection[] {
  return Array.from({ length: count }, (_, number) => {
    const [reader, writer] = Pipe(false);
    started(async () => {
      reader.close();
      for (let i = 0; i < 10; i++) {
        await pause();
        writer.sendSync([i, number]);
      }
    });
    writer.close();
    return reader;
  });
}

async function receiveAll(readers: Connection[]): Promise<unknown[]> {
  const open = new Set(readers);
  const messages: unknown[] = [];
  while (open.size > 0) {
    const ready = await wait(open);
    assert.ok(ready.length > 0);
    for (const reader of ready) {
      try {
        messages.push(reader.recvSync());
      } catch (error) {
        assert.equal((error as Error).name, 'EOFError');
        reader.close();
        open.delete(reader);
      }
    }
  }
  return messages;
}

function expected(count: number): unknown[] {
  return Array.from({ length: 10 * count }, (_, i) => [Math.floor(i / count), i % count]);
}

function sorted(messages: unknown[]): unknown[] {
  return (messages as [number, number][]).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
}

/** How many of the descriptors are sets of descriptors. */
function countSets(): number {
  return openDescriptors().filter((target) => target.includes('eventpoll')).length;
}

function byteFrom(fd: number): void {
  assert.equal(read(fd, Buffer.alloc(1)), 1);
}

export const scenarios: Scenarios = {
  async 'messages of many children until the end of each'() {
    assert.deepEqual(sorted(await receiveAll(writers(4, async () => {}))), expected(4));
  },

  async 'children that take their time'() {
    const pause = (): Promise<void> => new Promise((done) => setTimeout(done, Math.random() * 20));
    assert.deepEqual(sorted(await receiveAll(writers(4, pause))), expected(4));
  },

  async 'sockets, pipes and descriptors: all that are ready, in their order'() {
    const [a, b] = Pipe();
    const [reader, writer] = pipe();
    const [c, d] = socketpair();
    const all: Waitable[] = [c, a, reader];
    for (const look of [(): unknown => waitSync(all, 0), (): unknown => wait(all, 0)]) {
      assert.deepEqual(await look(), []);
    }
    b.sendSync('for a');
    assert.deepEqual(await wait(all), [a]);
    write(writer, Buffer.of(1));
    assert.deepEqual(await wait(all), [a, reader]);
    write(d, Buffer.of(1));
    assert.deepEqual(await wait(all), [c, a, reader]);
    assert.deepEqual(waitSync(all), [c, a, reader]);
    assert.deepEqual(waitSync([reader, reader, a]), [reader, reader, a]);
    assert.equal(a.recvSync(), 'for a');
    byteFrom(c);
    byteFrom(reader);
    assert.deepEqual(waitSync(all, 0), []);
    close(d); // the end is something, too
    assert.deepEqual(await wait(all), [c]);
  },

  async 'the timeout'() {
    const [a, b] = Pipe();
    for (const timeout of [20, 0, -1]) {
      assert.deepEqual(await wait([a, b], timeout), []);
      assert.deepEqual(waitSync([a, b], { timeout }), []);
    }
    a.sendSync(null);
    for (const timeout of [20, 0, -1, Infinity]) {
      assert.deepEqual(await wait([a, b], { timeout }), [b]);
      assert.deepEqual(waitSync([a, b], timeout), [b]);
    }
  },

  async 'it takes as long as it takes'() {
    const [a, b] = Pipe();
    const waiting = wait([a]);
    let isDone = false;
    void waiting.then(() => (isDone = true));
    for (let i = 0; i < 5; i++) await turn();
    assert.equal(isDone, false);
    b.sendSync(1);
    assert.deepEqual(await waiting, [a]);
  },

  async 'nothing to wait for'() {
    assert.deepEqual(await wait([]), []);
    assert.deepEqual(waitSync([]), []);
    const start = performance.now();
    assert.deepEqual(await wait([], 50), []);
    assert.deepEqual(waitSync([], 50), []);
    assert.ok(performance.now() - start >= 99);
  },

  async 'an abort'() {
    const before = countDescriptors();
    const [a, b] = Pipe();
    const reason = new Error('enough');
    const aborted = { name: 'AbortError', cause: reason };
    await assert.rejects(wait([a], { signal: AbortSignal.abort(reason) }), aborted);
    const controller = new AbortController();
    const waiting = wait([a, b], { signal: controller.signal });
    await turn();
    controller.abort(reason);
    await assert.rejects(waiting, aborted);
    a.close();
    b.close();
    await until(() => countDescriptors() <= before);
  },

  async 'processes and their sentinels, mixed with connections'() {
    const [a, b] = Pipe();
    const [reader, writer] = Pipe(false);
    const child = started(async () => {
      writer.close();
      await reader.recv();
    });
    const all: Waitable[] = [a, child.sentinel, child];
    assert.deepEqual(await wait(all, 20), []);
    assert.deepEqual(waitSync(all, 20), []);
    writer.sendSync('end');
    assert.deepEqual(await wait(all), [child.sentinel, child]);
    b.sendSync('hello');
    assert.deepEqual(waitSync(all), all);
    assert.equal(await child.join(), 0);
    assert.deepEqual(await wait(all), all);
    assert.deepEqual(await wait([child]), [child]);
    const other = new Process({ target: () => {} });
    assert.throws(() => waitSync([other]), { code: 'ERR_TRUEFORK_NOT_STARTED' });
  },

  async 'many of them end at once'() {
    const children = Array.from({ length: 10 }, () =>
      started(() => void setInterval(() => {}, 1000)),
    );
    for (const child of children) child.kill();
    const alive = new Set(children);
    while (alive.size > 0) for (const child of await wait(alive)) alive.delete(child);
    for (const child of children) assert.equal(child.exitSignal, 'SIGKILL');
  },

  async hundreds() {
    const before = countDescriptors();
    const pairs = Array.from({ length: 400 }, () => Pipe());
    const readers = pairs.map(([reader]) => reader);
    for (const number of [0, 399, 200]) {
      const waiting = wait(readers);
      await turn();
      pairs[number]![1].sendSync(number);
      assert.deepEqual(await waiting, [readers[number]]);
      assert.deepEqual(waitSync(readers), [readers[number]]);
      assert.equal(readers[number]!.recvSync(), number);
    }
    for (const [, writer] of pairs) writer.close();
    assert.deepEqual(await wait(readers), readers);
    for (const reader of readers) reader.close();
    await until(() => countDescriptors() <= before);
  },

  async 'many waits for the same'() {
    const [a, b] = Pipe();
    const receiving = a.recv();
    const waits = Array.from({ length: 20 }, () => wait([a]));
    await turn();
    b.sendSync(1);
    assert.equal(await receiving, 1);
    b.sendSync(2);
    for (const waiting of waits) assert.deepEqual(await waiting, [a]);
    assert.equal(await a.recv(), 2);
  },

  async 'a part of a message is not lost'() {
    const [a, b] = socketpair();
    const connection = new Connection(a);
    write(b, Buffer.from([0, 0]));
    assert.deepEqual(await wait([connection]), [connection]);
    write(b, Buffer.from([0, 2, 111]));
    assert.deepEqual(waitSync([connection]), [connection]);
    write(b, Buffer.from([107]));
    assert.equal(String(await connection.recvBytes()), 'ok');
  },

  async 'closed, before and meanwhile'() {
    const before = countDescriptors();
    const [a, b] = Pipe();
    const [c, d] = Pipe();
    const waiting = wait([a, c]);
    await turn();
    a.close();
    assert.deepEqual(await waiting, [a]);
    await assert.rejects(a.recv(), CLOSED);
    await assert.rejects(wait([c, a]), CLOSED);
    assert.throws(() => waitSync([a]), CLOSED);
    for (const end of [b, c, d]) end.close();
    await until(() => countDescriptors() <= before);
  },

  async 'what cannot be waited for'() {
    const wrong = { code: 'ERR_INVALID_ARG_TYPE' };
    for (const objects of [undefined, 1, [undefined], ['1'], [{}], [null]]) {
      await assert.rejects(wait(objects as never), wrong);
      assert.throws(() => waitSync(objects as never), wrong);
    }
    await assert.rejects(wait([-1]), { code: 'ERR_OUT_OF_RANGE' });
    const errno = -constants.errno.EBADF;
    const bad = { code: 'EBADF', syscall: 'poll', errno };
    await assert.rejects(wait([2 ** 30]), bad);
    assert.throws(() => waitSync([2 ** 30], 0), bad);
  },

  async 'files are always ready, and the flags of descriptors stay'() {
    const file = openSync(import.meta.filename ?? process.argv[1]!, 'r');
    assert.deepEqual(await wait([file]), [file]);
    const [reader, writer] = pipe();
    const flags = (): string =>
      /^flags:.*/m.exec(readFileSync(`/proc/self/fdinfo/${reader}`, 'utf8'))![0];
    const before = flags();
    const waiting = wait([reader]);
    await turn();
    write(writer, Buffer.of(1));
    assert.deepEqual(await waiting, [reader]);
    assert.equal(flags(), before);
    closeSync(file);
  },

  async 'it keeps the event loop alive, and nothing else does'() {
    const [reader, writer] = Pipe(false);
    const child = started(async () => {
      writer.close();
      assert.deepEqual(await wait([reader]), [reader]);
    });
    reader.close();
    const other = started(async () => {
      writer.close();
      await wait([writer.closed ? 0 : 0], 1); // stdin is /dev/null: at its end
    });
    assert.equal(await other.join(), 0);
    assert.equal(child.isAlive(), true);
    writer.close();
    assert.equal(await child.join(), 0);
  },

  async 'a fork while somebody waits'() {
    const [a, b] = Pipe();
    const before = countSets();
    const waiting = wait([a]);
    await turn();
    assert.equal(countSets(), before + 1);
    const child = started(async () => {
      // The set of the parent is closed here, and a wait of the child's is its own.
      assert.equal(countSets(), before);
      b.sendSync('from the child');
      assert.deepEqual(await wait([a]), [a]);
    });
    assert.deepEqual(await waiting, [a]);
    assert.equal(await child.join(), 0);
    const again = wait([b]);
    await turn();
    const pid = fork();
    if (pid === 0) _exit(waitSync([a], 0).length === 1 ? 0 : 1);
    assert.equal(waitpid(pid)!.exitcode, 0);
    a.sendSync('for b');
    assert.deepEqual(await again, [b]);
  },

  'no descriptor for the set': {
    async run() {
      const { spawnSync } = await import('node:child_process');
      if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=100:']).status !== 0) return;
      const [a, b] = Pipe();
      const plugs: number[] = [];
      assert.throws(() => {
        for (;;) plugs.push(...pipe());
      });
      while (plugs.length % 2 !== 0) plugs.pop();
      const [reader, writer] = [plugs[0]!, plugs[1]!];
      try {
        plugs.push(openSync('/dev/null', 'r'));
      } catch {
        // there was no room for one more
      }
      await assert.rejects(wait([a]), { code: 'EMFILE' });
      close(reader);
      close(writer);
      const waiting = wait([a]);
      b.sendSync(1);
      assert.deepEqual(await waiting, [a]);
      await until(() => a.pollSync());
    },
  },
};
