// Messages that are big or many, and who gets which.
import assert from 'node:assert/strict';
import { type Connection, Pipe } from 'truefork';
import { kill } from 'truefork/posix';
import { until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { assertGood, EOF, isPattern, MB, pairs, pattern, started } from './support.js';

export const scenarios: Scenarios = {
  async 'messages of 200 MB'() {
    const size = 200 * MB;
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      ours.close();
      assert.ok(isPattern(theirs.recvBytesSync(), size));
      theirs.sendBytesSync(pattern(size));
      assert.ok(isPattern((await theirs.recv()) as Buffer, size));
      await theirs.send(pattern(size).toString('latin1'));
    });
    theirs.close();
    await ours.sendBytes(pattern(size));
    assert.ok(isPattern(await ours.recvBytes(), size));
    ours.sendSync(pattern(size));
    const text = ours.recvSync() as string;
    assert.ok(isPattern(Buffer.from(text, 'latin1'), size));
    await assert.rejects(ours.recv(), EOF);
    await assertGood(child);
  },

  async 'both send more than there is room for at once'() {
    const [a, b] = Pipe();
    const sizes = [5 * MB, 1, 3 * MB];
    const exchange = async (connection: Connection): Promise<void> => {
      const sends = sizes.map((size) => connection.sendBytes(pattern(size)));
      for (const size of sizes) assert.ok(isPattern(await connection.recvBytes(), size));
      await Promise.all(sends);
    };
    const child = started(() => exchange(b));
    await exchange(a);
    await assertGood(child);
  },

  async '100,000 small messages, none merged or split'() {
    const count = 100_000;
    const message = (i: number): string => `${i}`.padStart(1 + (i % 40), '.');
    for (const duplex of [true, false]) {
      const [reader, writer] = Pipe(duplex);
      const child = started(async () => {
        reader.close();
        for (let i = 0; i < count; i++) {
          if (i % 1000 < 500) writer.sendSync(message(i));
          else await writer.send(message(i));
        }
      });
      writer.close();
      for (let i = 0; i < count; i++) {
        const received = i % 700 < 350 ? reader.recvSync() : await reader.recv();
        assert.equal(received, message(i));
      }
      await assert.rejects(reader.recv(), EOF);
      await assertGood(child);
    }
  },

  async 'poll() and recv() at once'() {
    const [a, b] = Pipe();
    const received = a.recv();
    const poll = a.poll(20_000);
    b.sendSync(1);
    assert.equal(await received, 1);
    // Whether it saw the first message or only sees this one.
    b.sendSync(2);
    assert.equal(await poll, true);
    assert.equal(await a.recv(), 2);
  },

  async 'blocking waits outlive signals'() {
    let signals = 0;
    process.on('SIGUSR2', () => signals++);
    const { pid } = process;
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      for (let i = 0; i < 100; i++) kill(pid, 'SIGUSR2');
      writer.sendSync('after them');
      for (let i = 0; i < 100; i++) kill(pid, 'SIGUSR2');
      writer.sendSync('and again');
    });
    assert.equal(reader.recvSync(), 'after them');
    assert.equal(reader.pollSync(Infinity), true);
    assert.equal(reader.recvSync(), 'and again');
    await assertGood(child);
    await until(() => signals > 0);
  },

  async 'many who wait get the messages in their order'() {
    const count = 5000;
    for (const [receiver, sender] of pairs()) {
      const received: unknown[] = [];
      const waits = Array.from({ length: count }, async (_, i) => {
        const value = await receiver.recv();
        received.push(value);
        assert.equal(value, i);
      });
      for (let i = 0; i < count; i++) await sender.send(i);
      await Promise.all(waits);
      assert.equal(received.length, count);
    }
  },

  async 'who blocks waits behind those who came before'() {
    const [a, b] = Pipe();
    const first = a.recv();
    const second = a.recv();
    for (let i = 1; i <= 4; i++) b.sendSync(i);
    assert.equal(a.recvSync(), 3);
    assert.equal(a.recvSync(0), 4);
    assert.deepEqual(await Promise.all([first, second]), [1, 2]);
  },

  async 'who blocks to send waits behind those who came before'() {
    const [reader, writer] = Pipe(false);
    const first = writer.sendBytes(pattern(3 * MB));
    const child = started(async () => {
      writer.close();
      assert.ok(isPattern(await reader.recvBytes(), 3 * MB));
      assert.equal(await reader.recv(), 'second');
      await assert.rejects(reader.recv(), EOF);
    });
    writer.sendSync('second');
    await first;
    writer.close();
    await assertGood(child);
  },

  async 'the loop has its turn though messages keep coming'() {
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      try {
        for (;;) writer.sendSync('more');
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EPIPE');
      }
    });
    writer.close();
    const timer = { isOver: false };
    setTimeout(() => (timer.isOver = true), 1);
    while (!timer.isOver) assert.equal(await reader.recv(), 'more');
    reader.close();
    child.kill();
    await child.join();
  },
};
