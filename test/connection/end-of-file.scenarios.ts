// The other end is closed, or its process has ended.
import assert from 'node:assert/strict';
import { activeChildren, EOFError, Pipe } from 'truefork';
import { _exit, kill } from 'truefork/posix';
import type { Scenarios } from '../support/scenarios.js';
import {
  assertGood,
  BROKEN_PIPE,
  EOF,
  isPattern,
  MB,
  pairs,
  pattern,
  started,
  TIMEOUT,
  TRUNCATED,
  turn,
} from './support.js';

export const scenarios: Scenarios = {
  async 'the end of the file when the last writer is closed'() {
    for (const [receiver, sender] of pairs()) {
      const waits = [receiver.recv(), receiver.recvBytes(), receiver.recv()];
      const poll = receiver.poll(20_000);
      sender.sendSync('the last');
      sender.close();
      assert.equal(await waits[0], 'the last');
      await assert.rejects(waits[1]!, EOF);
      await assert.rejects(waits[2]!, EOFError);
      assert.equal(await poll, true);
      // And so for ever.
      assert.throws(() => receiver.recvSync(), EOF);
      await assert.rejects(receiver.recv(), EOF);
      assert.equal(receiver.pollSync(), true);
      assert.equal(await receiver.poll(Infinity), true);
    }
  },

  async 'the end of the file when the last writer has ended'() {
    const ends: [() => unknown, number][] = [
      [() => {}, 0],
      [() => process.exit(4), 4],
      [() => _exit(5), 5],
      [() => kill(process.pid, 'SIGKILL'), -9],
    ];
    for (const [end, exitcode] of ends) {
      for (const duplex of [true, false]) {
        const [reader, writer] = Pipe(duplex);
        const child = started(() => {
          reader.close();
          writer.sendSync('the last');
          return end();
        });
        writer.close();
        assert.equal(await reader.recv(), 'the last');
        await assert.rejects(reader.recv(), EOF);
        assert.throws(() => reader.recvSync(), EOF);
        assert.equal(await child.join(), exitcode);
      }
    }
  },

  async 'a sender that is killed in the middle of a message'() {
    for (const duplex of [true, false]) {
      const [reader, writer] = Pipe(duplex);
      const child = started(() => {
        reader.close();
        writer.sendSync('whole');
        writer.sendBytesSync(pattern(50 * MB));
      });
      writer.close();
      assert.equal(await reader.recv(), 'whole');
      // There is no room for all of it, so that the child is in the middle.
      assert.equal(await reader.poll(Infinity), true);
      child.kill();
      await child.join();
      const waits = [reader.recvBytes(), reader.recv()];
      for (const wait of waits) await assert.rejects(wait, TRUNCATED);
      assert.throws(() => reader.recvSync(), TRUNCATED);
      assert.equal(reader.readable, false);
      reader.close();
    }
  },

  async 'a sender that is killed while the parent receives'() {
    const [reader, writer] = Pipe();
    const child = started(() => {
      for (;;) writer.sendBytesSync(pattern(50 * MB));
    });
    writer.close();
    await reader.recvBytes();
    setImmediate(() => child.kill());
    const receiveAll = async (): Promise<never> => {
      for (;;) assert.ok(isPattern(await reader.recvBytes(), 50 * MB));
    };
    await assert.rejects(receiveAll(), { code: /^ERR_TRUEFORK_(TRUNCATED|EOF)$/ });
    assert.equal(await child.join(), -9);
  },

  async 'to send where nobody receives'() {
    for (const [receiver, sender] of pairs()) {
      const sends = [sender.sendBytes(pattern(5 * MB)), sender.send('x')];
      const rejections = sends.map((send) => assert.rejects(send, BROKEN_PIPE));
      await turn();
      receiver.close();
      await Promise.all(rejections);
      await assert.rejects(sender.send(1), { code: /^(EPIPE|ERR_TRUEFORK_TRUNCATED)$/ });
      sender.close();
    }
    for (const [receiver, sender] of pairs()) {
      receiver.close();
      await assert.rejects(sender.send(1), BROKEN_PIPE);
      assert.throws(() => sender.sendSync(1), BROKEN_PIPE);
      sender.close();
    }
  },

  async 'a receiver that is killed while the parent sends'() {
    const [ours, theirs] = Pipe();
    const child = started(() => {
      ours.close();
      for (;;) theirs.recvBytesSync();
    });
    theirs.close();
    await ours.sendBytes(pattern(MB));
    const sending = assert.rejects(async () => {
      for (;;) await ours.sendBytes(pattern(MB));
    }, BROKEN_PIPE);
    setImmediate(() => child.kill());
    await sending;
    assert.throws(() => ours.recvSync(), EOF);
    assert.equal(await child.join(), -9);
  },

  async 'what was sent before the end arrives, though its sender had more to receive'() {
    const [a, b] = Pipe();
    a.sendSync('never received');
    b.sendSync('the last');
    b.close();
    assert.equal(await a.recv(), 'the last');
    await assert.rejects(a.recv(), EOF);
    await assert.rejects(a.send(1), BROKEN_PIPE);
  },

  async 'there is no end of the file while a child has a copy'() {
    const [reader, writer] = Pipe(false);
    const [ours, theirs] = Pipe();
    const child = started(() => {
      ours.close();
      theirs.recvSync();
      writer.sendSync('from the copy');
      writer.close();
      theirs.sendSync('closed');
      theirs.recvSync();
    });
    theirs.close();
    writer.close();
    await assert.rejects(reader.recv(5), TIMEOUT);
    ours.sendSync('go on');
    assert.equal(await reader.recv(), 'from the copy');
    await assert.rejects(reader.recv(), EOF);
    // It was not the end of the child.
    assert.equal(await ours.recv(), 'closed');
    assert.deepEqual(activeChildren(), [child]);
    ours.sendSync('end');
    await assertGood(child);
  },

  async 'nobody can receive once the last copy is closed'() {
    const [reader, writer] = Pipe(false);
    const [ours, theirs] = Pipe();
    const child = started(() => {
      ours.close();
      theirs.recvSync();
      reader.close();
      theirs.sendSync('closed');
      theirs.recvSync();
    });
    theirs.close();
    reader.close();
    await writer.send('for the copy');
    await ours.send('close');
    assert.equal(await ours.recv(), 'closed');
    await assert.rejects(writer.send('for nobody'), BROKEN_PIPE);
    await ours.send('end');
    await assertGood(child);
  },
};
