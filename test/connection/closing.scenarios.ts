// close(), and what keeps the event loop alive.
import assert from 'node:assert/strict';
import { Pipe } from 'truefork';
import { countDescriptors } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  assertGood,
  CLOSED,
  EOF,
  isPattern,
  MB,
  pairs,
  pattern,
  started,
  TIMEOUT,
  turn,
} from './support.js';

export const scenarios: Scenarios = {
  async 'what waits keeps the loop alive, what is merely open does not'() {
    const [reader, writer] = Pipe(false);
    const idle = started(async () => {
      writer.close();
      await reader.recv(1).catch(() => {});
      assert.equal(await reader.poll(1), false);
    });
    assert.equal(await idle.join(), 0);
    const waiting = started(async () => {
      writer.close();
      await reader.recv();
      process.exitCode = 7;
    });
    await turn();
    writer.sendSync('at last');
    assert.equal(await waiting.join(), 7);
  },

  async 'what a child has not sent when its target returns is sent'() {
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      reader.close();
      void writer.sendBytes(pattern(5 * MB));
      void writer.send('the end');
      writer.close();
    });
    writer.close();
    assert.ok(isPattern(await reader.recvBytes(), 5 * MB));
    assert.equal(await reader.recv(), 'the end');
    await assert.rejects(reader.recv(), EOF);
    await assertGood(child);
  },

  async 'close() lets out what was sent'() {
    for (const [receiver, sender] of pairs()) {
      const descriptors = countDescriptors();
      const sends = [sender.sendBytes(pattern(2 * MB)), sender.send('second')];
      sender.close();
      assert.equal(sender.closed, true);
      await assert.rejects(sender.send('third'), CLOSED);
      assert.ok(isPattern(await receiver.recvBytes(), 2 * MB));
      assert.equal(await receiver.recv(), 'second');
      await assert.rejects(receiver.recv(), EOF);
      await Promise.all(sends);
      assert.equal(countDescriptors(), descriptors - 1);
    }
  },

  async 'close() rejects those who wait to receive'() {
    for (const [receiver] of pairs()) {
      const waits = [
        receiver.recv(),
        receiver.recvBytes(),
        receiver.recvBytesInto(Buffer.alloc(1)),
        receiver.poll(20_000),
        receiver[Symbol.asyncIterator]().next(),
      ];
      const rejections = waits.map((wait) => assert.rejects(wait, CLOSED));
      receiver.close();
      await Promise.all(rejections);
    }
  },

  async 'a connection that is closed'() {
    const descriptors = countDescriptors();
    const [a, b] = Pipe();
    b.sendSync('never received');
    a.close();
    a.close();
    a[Symbol.dispose]();
    assert.equal(a.closed, true);
    assert.equal(b.closed, false);
    assert.throws(() => a.fileno(), CLOSED);
    assert.throws(() => a.sendSync(1), CLOSED);
    assert.throws(() => a.recvSync(), CLOSED);
    assert.throws(() => a.pollSync(), CLOSED);
    assert.throws(() => a.recvBytesIntoSync(Buffer.alloc(1)), CLOSED);
    await assert.rejects(a.send(1), CLOSED);
    await assert.rejects(a.sendBytes(Buffer.alloc(1)), CLOSED);
    await assert.rejects(a.recv(), CLOSED);
    await assert.rejects(a.recvBytes(), CLOSED);
    await assert.rejects(a.poll(), CLOSED);
    b.close();
    assert.equal(countDescriptors(), descriptors);
    // Nor does a second close() close what has got its number since.
    const [c, d] = Pipe();
    a.close();
    b.close();
    c.sendSync('x');
    assert.equal(d.recvSync(), 'x');
  },

  async 'scoped use'() {
    const descriptors = countDescriptors();
    {
      const [a, b] = Pipe();
      using first = a;
      using second = b;
      first.sendSync(1);
      assert.equal(second.recvSync(), 1);
    }
    assert.equal(countDescriptors(), descriptors);
  },

  async 'a program may end with connections that it has waited for'() {
    const [a, b] = Pipe();
    const wait = assert.rejects(a.recv(), EOF);
    await turn();
    b.close();
    await wait;
    const [c, d] = Pipe();
    await assert.rejects(c.recv(1), TIMEOUT);
    d.sendSync('never received');
    process.once('exit', () => assert.equal(a.closed || c.closed, false));
  },

  async 'who has blocked does not keep the loop alive afterwards'() {
    const [a, b] = Pipe();
    const first = a.recv();
    b.sendSync(1);
    b.sendSync(2);
    assert.equal(a.recvSync(), 2);
    assert.equal(await first, 1);
    // They are no garbage until then.
    process.once('exit', () => assert.equal(a.closed || b.closed, false));
  },
};
