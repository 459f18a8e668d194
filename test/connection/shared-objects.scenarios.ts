// Shared memory, and what lies in it, that is sent to those who were not forked with it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  Event,
  Listener,
  Lock,
  Pipe,
  RawArray,
  RawValue,
  RLock,
  Semaphore,
  ShareableList,
  SharedArray,
  SharedMemory,
  Value,
} from 'truefork';
import { countDescriptors, countSharedMappings, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { stranger } from './stranger.js';
import { assertGood, CLOSED, EOF, started, turn } from './support.js';

const { gc } = globalThis as unknown as { gc: () => void };

/** Sends through each kind of pipe, to this very process. */
async function around<T>(value: T): Promise<T[]> {
  const [a, b] = Pipe();
  const [reader, writer] = Pipe(false);
  const sending = [a.send(value), writer.send(value)];
  const received = [(await b.recv()) as T, (await reader.recv()) as T];
  await Promise.all(sending);
  for (const end of [a, b, reader, writer]) end.close();
  return received;
}

export const scenarios: Scenarios = {
  async 'a value that is made when the child runs'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      const value = (await theirs.recv()) as Value<'i'>;
      assert.ok(value instanceof Value);
      assert.equal(value.typecode, 'i');
      assert.ok(value.value >= 5);
      for (let i = 0; i < 1000; i++) value.withSync(() => (value.value += 1));
      const { raw, list } = (await theirs.recv()) as { raw: RawValue<'d'>; list: unknown[] };
      assert.ok(raw instanceof RawValue && !(raw instanceof Value));
      raw.value = 2.5;
      assert.equal(list[1], raw);
    });
    const value = new Value('i', 5);
    await ours.send(value);
    for (let i = 0; i < 1000; i++) value.withSync(() => (value.value += 1));
    const raw = new RawValue('d');
    await ours.send({ raw, list: [1, raw] });
    await assertGood(child);
    assert.equal(value.value, 2005);
    assert.equal(raw.value, 2.5);
  },

  async 'arrays, small and large, also as parts of a value'() {
    for (const length of [1, 100, 100_000]) {
      const array = new SharedArray('i', length);
      const raw = new RawArray('d', length);
      const bytes = new RawArray('B', length);
      const unlocked = new SharedArray('q', length, { lock: false });
      for (const value of await around({ array, deep: [raw, bytes, unlocked] })) {
        const [a, b, c] = value.deep;
        assert.ok(value.array instanceof SharedArray && value.array.length === length);
        value.array.withSync(() => value.array.set(0, 7));
        assert.equal(array[0], 7);
        assert.ok(a instanceof Float64Array && a.length === length);
        (a as Float64Array)[length - 1] = 0.5;
        assert.equal(raw[length - 1], 0.5);
        (b as Uint8Array)[0] = 9;
        assert.equal(bytes[0], 9);
        (c as BigInt64Array)[0] = 3n;
        assert.equal(unlocked[0], 3n);
        assert.throws(() => (c as typeof unlocked).getLock(), { code: 'ERR_TRUEFORK_NO_LOCK' });
        array[0] = 0;
      }
      for (const alone of await around(bytes)) {
        alone[length - 1] = 11;
        assert.equal(bytes[length - 1], 11);
      }
      // A view that is no longer the array itself is data.
      for (const copy of await around(array.slice())) {
        copy[0] = 5;
        assert.equal(array[0], 0);
      }
      for (const copy of await around([raw.subarray(0, 1)])) {
        copy[0]![0] = 5;
        assert.notEqual(raw[0], 5);
      }
    }
    for (const text of await around(new SharedArray('c', 5))) {
      text.value = Buffer.from('abc');
      assert.equal(String(text.value), 'abc');
    }
    const empty = new SharedArray('i', 0);
    for (const received of await around(empty)) assert.equal(received.length, 0);
  },

  async 'a process that is no relative'() {
    const [connection, end] = await stranger(`
      const { value, array, lock, event, semaphore } = await connection.recv();
      for (let i = 0; i < 100; i++) {
        await lock.with(() => array[0]++);
        value.withSync(() => value.value++);
      }
      semaphore.release();
      await event.wait();
      array[array.length - 1] = 42;
      connection.sendSync(new truefork.Value('i', 77));
      await connection.recv();
    `);
    const value = new Value('i');
    const array = new SharedArray('i', 50_000);
    const lock = new Lock();
    const event = new Event();
    const semaphore = new Semaphore(0);
    await connection.send({ value, array, lock, event, semaphore });
    for (let i = 0; i < 100; i++) {
      await lock.with(() => array[0]!++);
      await value.with(() => value.value++);
    }
    assert.equal(await semaphore.acquire(30_000), true);
    assert.equal(value.value, 200);
    assert.equal(array[0], 200);
    event.set();
    const theirs = (await connection.recv()) as Value<'i'>;
    assert.equal(theirs.value, 77);
    assert.equal(array.at(-1), 42);
    await connection.send('end');
    await end();
    // Its memory lives on with those who have it.
    assert.equal(
      theirs.withSync(() => ++theirs.value),
      78,
    );
  },

  async 'one that dies with a lock'() {
    const [connection] = await stranger(`
      const { lock, rlock } = await connection.recv();
      lock.acquireSync();
      rlock.acquireSync();
      await connection.send('have them');
      process.kill(process.pid, 'SIGKILL');
    `);
    const [lock, rlock] = [new Lock(), new RLock()];
    await connection.send({ lock, rlock });
    assert.equal(await connection.recv(), 'have them');
    assert.equal(await lock.acquire(), true);
    assert.equal(lock.recovered, true);
    assert.equal(rlock.acquireSync(), true);
    assert.equal(rlock.recovered, true);
  },

  async 'conditions and barriers'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      const { condition, barrier, ready } = (await theirs.recv()) as {
        condition: Condition;
        barrier: Barrier;
        ready: Value<'i'>;
      };
      assert.equal(barrier.parties, 2);
      await barrier.wait();
      await condition.with(() => {
        ready.value = 1;
        condition.notifyAll();
      });
      await barrier.wait();
    });
    const [condition, barrier, ready] = [new Condition(), new Barrier(2), new Value('i')];
    await ours.send({ condition, barrier, ready });
    await condition.with(async () => {
      const arrived = barrier.wait();
      await condition.waitFor(() => ready.value === 1);
      await arrived;
    });
    await barrier.wait();
    await assertGood(child);
    const acting = new Barrier(2, { action: () => {} });
    await assert.rejects(ours.send(acting), { code: 'ERR_TRUEFORK_NOT_SHAREABLE' });
  },

  async 'what comes back is the same lock'() {
    const rlock = new RLock();
    const lock = new Lock();
    const objects = [
      rlock,
      lock,
      new Semaphore(3),
      new BoundedSemaphore(2),
      new Event(),
      new Condition(lock),
      new Barrier(3),
    ];
    for (const received of await around(objects)) {
      for (const [i, object] of objects.entries()) assert.equal(received[i], object);
    }
    await rlock.with(async () => {
      const [received] = await around(rlock);
      received!.acquireSync(); // recursive: it is the owner
      received!.release();
    });
    const value = new Value('i', 1, { lock });
    for (const received of await around(value)) assert.equal(received.getLock(), lock);
    const [ours, theirs] = Pipe();
    const child = started(() => {
      const [first, second, bounded] = theirs.recvSync() as [
        Semaphore,
        Semaphore,
        BoundedSemaphore,
      ];
      assert.equal(first, second);
      assert.equal(first.getValue(), 3);
      assert.throws(() => bounded.release(), { code: 'ERR_TRUEFORK_TOO_MANY_RELEASES' });
      theirs.sendSync(first);
    });
    const semaphore = objects[2] as Semaphore;
    ours.sendSync([semaphore, semaphore, objects[3]]);
    assert.equal(await ours.recv(), semaphore);
    await assertGood(child);
  },

  'what a receiver may have is not used again': {
    async run() {
      const [ours, theirs] = Pipe();
      const child = started(async () => {
        const received = (await theirs.recv()) as RawValue<'i'>[];
        theirs.sendSync('received');
        assert.equal(await theirs.recv(), 'made others');
        assert.deepEqual(
          received.map(({ value }) => value),
          Array.from({ length: 100 }, (_, i) => i),
        );
      });
      const anchor = new RawValue('i');
      const values = Array.from({ length: 100 }, (_, i) => new RawValue('i', i));
      await ours.send(values);
      for (const value of values) value.close();
      assert.equal(await ours.recv(), 'received');
      const others = Array.from({ length: 10_000 }, () => new RawValue('i', -1));
      await ours.send('made others');
      await assertGood(child);
      assert.equal(others.length + anchor.value, 10_000);
    },
  },

  async 'it lives on when its maker is dead'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      const array = new SharedArray('i', 100_000);
      array.fill(3);
      await theirs.send([new Value('i', 4), array]);
      await theirs.recv();
    });
    const [value, array] = (await ours.recv()) as [Value<'i'>, SharedArray<'i'>];
    child.kill();
    await child.join();
    assert.equal(
      value.withSync(() => value.value),
      4,
    );
    assert.equal(
      array.every((element) => element === 3),
      true,
    );
    const again = await around(value);
    again[0]!.value = 5;
    assert.equal(value.value, 5);
    array.close();
    assert.equal(array.length, 0);
  },

  'descriptors and mappings go with the memory': {
    async run() {
      const warmUp = await around([new Value('i'), new SharedArray('i', 100_000)]);
      assert.equal(warmUp.length, 2);
      warmUp.length = 0;
      gc();
      await turn();
      const before = [countDescriptors(), countSharedMappings()] as const;
      for (let i = 0; i < 30; i++) {
        const array = new SharedArray('i', 100_000);
        const received = await around([array, new Value('i'), new Lock()]);
        for (const [other] of received) (other as SharedArray).close();
        array.close();
      }
      await until(() => {
        gc();
        return countDescriptors() <= before[0] + 4 && countSharedMappings() <= before[1] + 4;
      });
      const [ours, theirs] = Pipe();
      const child = started(async () => {
        theirs.recvSync();
        gc();
        const count = countDescriptors();
        for (let i = 0; i < 50; i++) {
          const [value, array] = theirs.recvSync() as [Value<'i'>, SharedArray<'i'>];
          assert.equal(value.value, i);
          array.close();
          value.close();
        }
        await until(() => {
          gc();
          return countDescriptors() <= count + 2;
        });
      });
      ours.sendSync(0);
      for (let i = 0; i < 50; i++) ours.sendSync([new Value('i', i), new SharedArray('i', 50_000)]);
      await assertGood(child);
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  async 'memory that has no descriptor'() {
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=64:']).status !== 0) return;
    const before = countDescriptors();
    const arrays = Array.from({ length: 40 }, () => new SharedArray('i', 20_000));
    // Others need descriptors, too.
    assert.ok(countDescriptors() <= before + 16);
    const last = arrays.at(-1)!;
    last[0] = 1;
    const [a, b] = Pipe();
    const error = { code: 'ERR_TRUEFORK_NOT_SHAREABLE', message: /too many descriptors/ };
    await assert.rejects(a.send(last), error);
    const child = started(() => assert.equal(last[0]!++, 1));
    await assertGood(child);
    assert.equal(last[0], 2);
    await a.send(arrays[0]);
    (b.recvSync() as SharedArray<'i'>)[1] = 8;
    assert.equal(arrays[0]![1], 8);
  },

  async 'what is closed, what goes by its name, and what goes nowhere'() {
    const [a, b] = Pipe();
    const value = new Value('i');
    value.close();
    await assert.rejects(a.send(value), { code: 'ERR_TRUEFORK_CLOSED' });
    using memory = new SharedMemory({ create: true, size: 100 });
    a.sendSync(memory);
    (b.recvSync() as SharedMemory).buf[0] = 7;
    assert.equal(memory.buf[0], 7);
    memory.unlink();
    const list = new ShareableList([1, 'a']);
    a.sendSync(list);
    assert.deepEqual([...(b.recvSync() as ShareableList)], [1, 'a']);
    list.shm.close();
    list.shm.unlink();
    using listener = new Listener(['localhost', 0]);
    const { Client } = await import('truefork');
    const [c] = await Promise.all([listener.accept(), Client(listener.address)]);
    for (const object of [new Value('i'), new Lock(), new SharedArray('i', 3)]) {
      await assert.rejects(c.send(object), { code: 'ERR_TRUEFORK_NOT_SHAREABLE', message: /TCP/ });
    }
    const closed = Pipe()[0];
    closed.close();
    await assert.rejects(closed.send(new Lock()), CLOSED);
    b.close();
    await assert.rejects(a.recv(), EOF);
  },
};
