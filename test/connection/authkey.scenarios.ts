// The key of a process cannot be sent, in whatever form it is there.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import {
  Client,
  currentProcess,
  inChild,
  Listener,
  Manager,
  Pipe,
  Pool,
  Process,
  Queue,
  SimpleQueue,
} from 'truefork';
import type { Scenarios } from '../support/scenarios.js';

const REFUSED = {
  code: 'ERR_TRUEFORK_NOT_CLONABLE',
  message: 'the key of a process cannot be sent',
};

function keys(): Buffer[] {
  const other = new Process();
  other.authkey = Buffer.from('another key');
  return [currentProcess().authkey, other.authkey];
}

/** The key itself, and what is over its memory. */
function viewsOf(key: Buffer): object[] {
  const { buffer } = key;
  return [
    key,
    key.subarray(),
    key.subarray(1, 3),
    new Uint8Array(buffer),
    new Uint8ClampedArray(buffer, 2, 2),
    new Uint16Array(buffer, 0, 1),
    new DataView(buffer, 1),
    buffer,
  ];
}

function formsOf(key: Buffer): unknown[] {
  return viewsOf(key).flatMap((view) => [
    view,
    { a: [view] },
    [{}, view],
    new Map([[{}, view]]),
    new Set([view]),
  ]);
}

async function forEachForm(test: (form: unknown) => unknown): Promise<void> {
  for (const key of keys()) for (const form of formsOf(key)) await test(form);
}

export const scenarios: Scenarios = {
  async 'through pipes'() {
    for (const isDuplex of [true, false]) {
      const [reader, writer] = Pipe(isDuplex);
      await forEachForm(async (form) => {
        assert.throws(() => writer.sendSync(form), REFUSED);
        await assert.rejects(writer.send(form), REFUSED);
      });
      assert.equal(reader.pollSync(), false);
    }
  },

  async 'as bytes'() {
    const [reader, writer] = Pipe();
    for (const view of keys().flatMap(viewsOf)) {
      if (!(view instanceof Uint8Array)) continue;
      assert.throws(() => writer.sendBytesSync(view), REFUSED);
      await assert.rejects(writer.sendBytes(view), REFUSED);
      assert.throws(() => writer.sendBytesSync(view, 1, 1), REFUSED);
      await assert.rejects(writer.sendBytes(view, 1), REFUSED);
    }
    assert.equal(reader.pollSync(), false);
  },

  async 'in queues'() {
    for (const queue of [new Queue(), new Queue(5), new SimpleQueue()]) {
      await forEachForm(async (form) => {
        assert.throws(() => queue.putSync(form), REFUSED);
        await assert.rejects(queue.put(form), REFUSED);
      });
      assert.equal(queue.empty(), true);
    }
  },

  async 'as arguments and results'() {
    const forms = keys().flatMap(formsOf);
    await using pool = new Pool(1);
    for (const [index, form] of forms.entries()) {
      await assert.rejects(
        pool.apply((value) => value, [form]),
        REFUSED,
      );
      await assert.rejects(
        pool.apply((number: number) => forms[number], [index]),
        REFUSED,
      );
    }
    for (const view of viewsOf(currentProcess().authkey)) {
      await assert.rejects(
        inChild(() => [view]),
        REFUSED,
      );
    }
  },

  async 'in a manager'() {
    const manager = Manager();
    const dict = manager.dict<Record<string, unknown>>({});
    await forEachForm((form) => assert.throws(() => (dict['key'] = form), REFUSED));
    assert.equal('key' in dict, false);
    await manager.shutdown();
  },

  async 'in an error it is not even described'() {
    const [reader, writer] = Pipe();
    await forEachForm((form) => {
      for (const extra of [form, { form, fn() {} }]) {
        writer.sendSync(Object.assign(new Error('x', { cause: extra }), { extra }));
        const { extra: shown, cause } = reader.recvSync() as Error & { extra: unknown };
        assert.deepEqual([shown, cause], ['<AuthenticationString>', '<AuthenticationString>']);
      }
    });
  },

  async 'and is of use as a key'() {
    for (const key of keys()) {
      const copy = Buffer.from(key);
      assert.ok(key.equals(copy) && Buffer.isBuffer(key));
      const [mac, same] = [key, copy].map((each) => createHmac('sha256', each).digest('hex'));
      assert.equal(mac, same);
      using listener = new Listener(undefined, { authkey: key });
      const accepted = listener.accept();
      using client = await Client(listener.address, { authkey: key });
      (await accepted).sendSync('known');
      assert.equal(await client.recv(), 'known');
    }
    const mac = (): string => createHmac('sha256', currentProcess().authkey).digest('hex');
    assert.equal(await inChild(mac), mac());
  },
};
