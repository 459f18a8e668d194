// A fork copies the connections, in whatever state they are.
import assert from 'node:assert/strict';
import { Pipe } from 'truefork';
import { fork, read, waitpid } from 'truefork/posix';
import { children, sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  assertGood,
  CLOSED,
  isPattern,
  MB,
  pattern,
  rawPair,
  shortHeader,
  started,
  TIMEOUT,
  turn,
  writeAll,
} from './support.js';

export const scenarios: Scenarios = {
  async 'those who wait in the parent do not wait in the child'() {
    const [a, b] = Pipe();
    const { pid } = process;
    let woken = 0;
    const waits = [a.recv(), a.recv(), a.poll(Infinity)].map((wait) =>
      wait.then((value) => {
        woken++;
        assert.equal(process.pid, pid);
        return value;
      }),
    );
    const child = started(async () => {
      b.sendSync('for the child');
      assert.equal(await a.recv(), 'for the child');
      assert.throws(() => a.recvSync(0), TIMEOUT);
      await sleep(5);
      assert.equal(woken, 0);
    });
    // Blocks the loop, which would take the message.
    assert.equal(child.joinSync(), 0);
    await turn();
    assert.equal(woken, 0);
    b.sendSync(1);
    b.sendSync(2);
    assert.deepEqual(await Promise.all(waits.slice(0, 2)), [1, 2]);
    b.sendSync(3);
    assert.equal(await waits[2], true);
  },

  async 'nor where the child goes on with the loop of the parent'() {
    const [a, b] = Pipe();
    const { pid } = process;
    const wait = a.recv().then((value) => {
      assert.equal(process.pid, pid);
      return value;
    });
    const child = fork();
    if (child === 0) {
      b.sendSync('for the child');
      assert.equal(await a.recv(), 'for the child');
      return;
    }
    assert.equal(waitpid(child)!.exitcode, 0);
    b.sendSync('for the parent');
    assert.equal(await wait, 'for the parent');
  },

  async 'a fork while half of a message is in'() {
    const [connection, fd] = rawPair();
    writeAll(fd, shortHeader(4), Buffer.from('ha'));
    const wait = connection.recvBytes();
    const torn = { code: 'ERR_TRUEFORK_TRUNCATED', message: /its parent was in the middle/ };
    const child = started(async () => {
      await assert.rejects(connection.recvBytes(), torn);
      assert.throws(() => connection.recvSync(), torn);
      assert.equal(connection.readable, false);
      connection.sendBytesSync(Buffer.from('x'));
    });
    assert.equal(child.joinSync(), 0);
    writeAll(fd, Buffer.from('lf'));
    assert.equal(String(await wait), 'half');
    assert.equal(read(fd, Buffer.alloc(10)), 5);
  },

  async 'a fork while half of a message is out'() {
    const [reader, writer] = Pipe(false);
    const big = writer.sendBytes(pattern(MB));
    const next = writer.send('next');
    const torn = { code: 'ERR_TRUEFORK_TRUNCATED', message: /its parent was in the middle/ };
    const child = started(async () => {
      await assert.rejects(writer.send('torn'), torn);
      assert.throws(() => writer.sendSync('torn'), torn);
    });
    assert.equal(child.joinSync(), 0);
    assert.ok(isPattern(await reader.recvBytes(), MB));
    assert.equal(await reader.recv(), 'next');
    await Promise.all([big, next]);
    assert.equal(await reader.poll(), false);
  },

  async 'to close in a child is its own affair'() {
    const [a, b] = Pipe();
    const wait = a.recv();
    const child = started(() => {
      a.close();
      b.close();
      assert.equal(a.closed, true);
      assert.throws(() => a.recvSync(), CLOSED);
    });
    await assertGood(child);
    assert.equal(a.closed, false);
    b.sendSync('x');
    assert.equal(await wait, 'x');
  },

  async 'all who have a copy see that there is a message'() {
    const [reader, writer] = Pipe(false);
    const watchers = Array.from({ length: 8 }, () =>
      started(async () => {
        writer.close();
        assert.equal(await reader.poll(Infinity), true);
        assert.equal(reader.pollSync(), true);
      }),
    );
    writer.sendSync('for one of them');
    for (const watcher of watchers) await assertGood(watcher);
    assert.equal(await reader.recv(), 'for one of them');
    assert.equal(children().size, 0);
  },
};
