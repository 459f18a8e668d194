// Descriptors are closed once nobody needs them, and not before.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type Connection, Pipe } from 'truefork';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { MB, pattern, rawPair, shortHeader, TIMEOUT, turn, writeAll } from './support.js';

/** Collects garbage until `condition` holds. Node has to run with --expose-gc. */
async function collectUntil(condition: () => boolean): Promise<void> {
  const { gc } = globalThis as unknown as { gc: () => void };
  await until(() => {
    gc();
    return condition();
  });
}

/** Things that a program may have done with the two ends of a pipe. */
const USES: Record<string, (a: Connection, b: Connection) => unknown> = {
  'not used': () => {},
  'used blocking'(a, b) {
    a.sendSync(1);
    assert.equal(b.recvSync(), 1);
  },
  'full of messages'(a, b) {
    a.sendSync(1);
    b.sendSync(1);
  },
  async 'after a poll()'(a) {
    assert.equal(await a.poll(1), false);
  },
  async 'after a timeout'(a) {
    await assert.rejects(a.recv(1), TIMEOUT);
  },
  async 'after timeouts on both ends'(a, b) {
    await Promise.all([a, b].map((end) => assert.rejects(end.recv(1), TIMEOUT)));
  },
  async 'after a wait'(a, b) {
    const wait = a.recv();
    await turn();
    b.sendSync(1);
    assert.equal(await wait, 1);
  },
  async 'after a send that had to wait'(a, b) {
    const send = a.sendBytes(pattern(MB));
    await b.recvBytes();
    await send;
  },
};

export const scenarios: Scenarios = {
  async 'a thousand pipes leave no descriptor'() {
    const descriptors = countDescriptors();
    const uses = Object.values(USES);
    for (let i = 0; i < 1000; i++) {
      const [a, b] = Pipe();
      await uses[i % uses.length]!(a, b);
      a.close();
      b.close();
    }
    assert.equal(countDescriptors(), descriptors);
  },

  async 'pipes for which there is no descriptor'() {
    const descriptors = countDescriptors();
    const all: Connection[] = [];
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=200:']).status !== 0) return;
    for (const duplex of [true, false]) {
      assert.throws(
        () => {
          for (;;) all.push(...Pipe(duplex));
        },
        { code: 'EMFILE', message: `${duplex ? 'socketpair' : 'pipe'} EMFILE` },
      );
      for (const connection of all.splice(0)) connection.close();
      assert.equal(countDescriptors(), descriptors);
    }
  },

  'garbage closes its descriptor': {
    async run() {
      const descriptors = countDescriptors();
      const drop = async (use: (a: Connection, b: Connection) => unknown): Promise<void> => {
        for (let i = 0; i < 50; i++) await use(...Pipe());
      };
      for (const [name, use] of Object.entries(USES)) {
        await drop(use);
        await collectUntil(() => countDescriptors() <= descriptors + 4).catch(() => {
          assert.fail(`${name}: ${countDescriptors() - descriptors} descriptors are left of 100`);
        });
      }
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  'who waits is no garbage': {
    async run() {
      const received: unknown[] = [];
      const fds = Array.from({ length: 20 }, (_, i) => {
        const [connection, fd] = rawPair();
        void connection.recvBytes().then((bytes) => received.push([i, String(bytes)]));
        return fd;
      });
      const { gc } = globalThis as unknown as { gc: () => void };
      for (let i = 0; i < 5; i++) {
        gc();
        await turn();
      }
      for (const [i, fd] of fds.entries()) writeAll(fd, shortHeader(2), Buffer.from(`${i + 10}`));
      await until(() => received.length === fds.length);
      assert.deepEqual(
        new Map(received as [number, string][]),
        new Map(fds.map((_, i) => [i, `${i + 10}`])),
      );
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  'garbage does not disturb what has got its number': {
    async run() {
      const { gc } = globalThis as unknown as { gc: () => void };
      // Served without blocking; then a message comes that nobody waits for, after
      // which nothing holds the two but this function.
      const useAndDrop = async (): Promise<void> => {
        const [a, b] = Pipe();
        const wait = a.recv();
        await turn();
        b.sendSync(1);
        await wait;
        b.sendSync(2);
        await turn();
      };
      for (let round = 0; round < 300; round++) {
        await Promise.all(Array.from({ length: 5 }, useAndDrop));
        gc();
        const descriptors = countDescriptors();
        let turns = 0;
        // Until the garbage is closed, if there is any.
        while (countDescriptors() === descriptors && turns < 5) {
          turns++;
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        const fresh = Array.from({ length: 10 }, () => Pipe());
        const waits = fresh.map(([a]) => a.recv(10_000));
        await turn();
        await turn();
        for (const [, b] of fresh) b.sendSync(round);
        for (const wait of waits) assert.equal(await wait, round);
        for (const ends of fresh) for (const end of ends) end.close();
      }
    },
    options: { nodeArgs: ['--expose-gc'] },
  },
};
