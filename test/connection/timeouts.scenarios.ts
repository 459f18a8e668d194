// Timeouts, and signals that are aborted.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { Pipe, TimeoutError } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import {
  isPattern,
  MB,
  pairs,
  pattern,
  rawPair,
  shortHeader,
  TIMEOUT,
  writeAll,
} from './support.js';

export const scenarios: Scenarios = {
  async 'a timeout, and the message is not lost'() {
    for (const [receiver, sender] of pairs()) {
      for (const timeout of [10, 0, -1, -Infinity]) {
        await assert.rejects(receiver.recv({ timeout }), TIMEOUT);
        await assert.rejects(receiver.recvBytes(Infinity, timeout), TIMEOUT);
        assert.throws(() => receiver.recvSync(timeout), TIMEOUT);
        assert.throws(() => receiver.recvBytesSync(Infinity, { timeout }), TIMEOUT);
        assert.equal(await receiver.poll(timeout), false);
        assert.equal(receiver.pollSync({ timeout }), false);
      }
      await assert.rejects(receiver.recv(1), TimeoutError);
      sender.sendSync('there');
      assert.equal(await receiver.recv(2 ** 40), 'there');
      sender.sendSync('at once');
      // A message that is there is given even to a call that does not wait.
      assert.equal(await receiver.recv(0), 'at once');
      sender.sendSync('at once');
      assert.equal(receiver.recvSync(0), 'at once');
    }
  },

  async 'a timeout in the middle of a message'() {
    const [connection, fd] = rawPair();
    const body = pattern(10);
    writeAll(fd, shortHeader(10), body.subarray(0, 4));
    await assert.rejects(connection.recvBytes(Infinity, 5), TIMEOUT);
    assert.throws(() => connection.recvBytesSync(Infinity, 5), TIMEOUT);
    writeAll(fd, body.subarray(4), shortHeader(0));
    assert.deepEqual(await connection.recvBytes(), body);
    assert.equal((await connection.recvBytes()).length, 0);
  },

  async 'a send that takes too long, when a part is out'() {
    for (const [receiver, sender] of pairs()) {
      const big = pattern(5 * MB);
      await assert.rejects(sender.sendBytes(big, { timeout: 5 }), TIMEOUT);
      assert.throws(() => sender.sendBytesSync(big, { timeout: 5 }), TIMEOUT);
      // The rest follows, for the next message to have a beginning.
      const next = sender.send('next');
      assert.ok(isPattern(await receiver.recvBytes(), big.length));
      assert.equal(await receiver.recv(), 'next');
      await next;
    }
  },

  async 'a send that takes too long, when nothing is out'() {
    const [receiver, sender] = Pipe(false);
    const first = sender.sendBytes(pattern(MB));
    await assert.rejects(sender.send('never', 5), TIMEOUT);
    const controller = new AbortController();
    const second = assert.rejects(sender.send('nor this', { signal: controller.signal }), {
      name: 'AbortError',
    });
    controller.abort();
    await second;
    const third = sender.send('third');
    assert.ok(isPattern(await receiver.recvBytes(), MB));
    assert.equal(await receiver.recv(), 'third');
    await Promise.all([first, third]);
    assert.equal(await receiver.poll(), false);
  },

  async 'a signal that is aborted ends a wait'() {
    const [a, b] = Pipe();
    const reason = new Error('the reason');
    const error = {
      name: 'AbortError',
      code: 'ABORT_ERR',
      message: 'The operation was aborted',
      cause: reason,
    };
    b.sendSync('there');
    const aborted = AbortSignal.abort(reason);
    await assert.rejects(a.recv({ signal: aborted }), error);
    await assert.rejects(a.poll({ signal: aborted }), error);
    await assert.rejects(a.send(1, { signal: aborted }), error);
    await assert.rejects(a.sendBytes(Buffer.alloc(1), { signal: aborted }), error);
    assert.equal(await b.poll(), false);
    assert.equal(await a.recv(), 'there');
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [
      a.recv({ signal }),
      a.recvBytes(Infinity, { signal }),
      a.recvBytesInto(Buffer.alloc(1), 0, { signal }),
      a.poll({ timeout: 20_000, signal }),
      b.sendBytes(pattern(5 * MB), { signal }),
    ];
    const rejections = waits.slice(0, 4).map((wait) => assert.rejects(wait, error));
    // One of them gets the message after all.
    await Promise.race(waits);
    setImmediate(() => controller.abort(reason));
    await Promise.allSettled([...rejections, ...waits]);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  },

  async 'a wait that was aborted takes no message'() {
    for (const [receiver, sender] of pairs()) {
      const controller = new AbortController();
      const { signal } = controller;
      const before = receiver.recv();
      const aborted = assert.rejects(receiver.recv({ signal }), { name: 'AbortError' });
      const after = receiver.recv();
      controller.abort();
      await aborted;
      sender.sendSync(1);
      sender.sendSync(2);
      assert.deepEqual(await Promise.all([before, after]), [1, 2]);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    }
  },

  async 'a signal that was not aborted is let go of'() {
    const [a, b] = Pipe();
    const { signal } = new AbortController();
    const received = a.recv({ signal });
    await b.send('x', { signal });
    await received;
    await assert.rejects(a.recv({ signal, timeout: 1 }), TIMEOUT);
    assert.equal(await a.poll({ signal, timeout: 1 }), false);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  },
};
