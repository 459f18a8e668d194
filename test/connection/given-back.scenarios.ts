// Attachments of a message that is not sent, or not to its end, are given back.
import assert from 'node:assert/strict';
import { DupFd, Manager, Pipe, Queue } from 'truefork';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { MB } from './support.js';

const NOT_CLONABLE = { code: 'ERR_TRUEFORK_NOT_CLONABLE' };
const ROUNDS = 5;

declare function gc(): void;

/** Runs it once for all that it makes the first time, and then again and again. */
async function assertKeepsNothing(run: () => unknown): Promise<void> {
  await run();
  const before = countDescriptors();
  for (let i = 0; i < ROUNDS; i++) await run();
  assert.ok(countDescriptors() <= before, `${before} to ${countDescriptors()}`);
}

export const scenarios: Scenarios = {
  async 'what cannot be sent'() {
    const handle = new DupFd(0);
    const values: unknown[] = [
      [handle, () => {}],
      { handle, url: new URL('a:b') },
      new Map<unknown, unknown>([
        [handle, 1],
        [1, Symbol('x')],
      ]),
      [new Queue(), handle, () => {}],
    ];
    for (const isDuplex of [true, false]) {
      const [reader, writer] = Pipe(isDuplex);
      await assertKeepsNothing(async () => {
        for (const value of values) {
          assert.throws(() => writer.sendSync(value), NOT_CLONABLE);
          await assert.rejects(writer.send(value), NOT_CLONABLE);
        }
      });
      reader.close();
    }
  },

  'objects of a manager': {
    options: { nodeArgs: ['--expose-gc'] },
    async run() {
      const manager = Manager();
      const [, writer] = Pipe();
      const queue = new Queue(1);
      const before = manager.numberOfObjects();
      queue.putSync('full');
      (() => {
        const values: unknown[] = [manager.dict(), manager.list()];
        assert.throws(() => writer.sendSync([values, () => {}]), NOT_CLONABLE);
        assert.throws(() => queue.putSync(values, 0), { name: 'Full' });
      })();
      await until(() => {
        gc();
        return manager.numberOfObjects() <= before;
      });
      await manager.shutdown();
    },
  },

  async 'what nobody can receive'() {
    const handle = new DupFd(0);
    for (const isDuplex of [true, false]) {
      const [reader, writer] = Pipe(isDuplex);
      reader.close();
      await assertKeepsNothing(async () => {
        assert.throws(() => writer.sendSync(handle), { code: 'EPIPE' });
        await assert.rejects(writer.send(handle), { code: 'EPIPE' });
      });
      writer.close();
      await assertKeepsNothing(async () => {
        assert.throws(() => writer.sendSync(handle), { code: 'ERR_TRUEFORK_CLOSED' });
        await assert.rejects(writer.send(handle), { code: 'ERR_TRUEFORK_CLOSED' });
      });
    }
  },

  async 'what there is no room for'() {
    const handle = new DupFd(0);
    for (const isDuplex of [true, false]) {
      const [reader, writer] = Pipe(isDuplex);
      await assert.rejects(writer.sendBytes(Buffer.alloc(MB), { timeout: 0 }), {
        name: 'TimeoutError',
      });
      await assertKeepsNothing(async () => {
        assert.throws(() => writer.sendSync(handle, 1), { name: 'TimeoutError' });
        await assert.rejects(writer.send(handle, 1), { name: 'TimeoutError' });
        const signal = AbortSignal.timeout(1);
        await assert.rejects(writer.send(handle, { signal }), { name: 'AbortError' });
        await assert.rejects(writer.send(handle, { signal }), { name: 'AbortError' });
      });
      reader.close();
    }
  },

  async 'what breaks off in the middle'() {
    const handle = new DupFd(0);
    const value = [handle, Buffer.alloc(MB)];
    for (const isDuplex of [true, false]) {
      await assertKeepsNothing(async () => {
        const [reader, writer] = Pipe(isDuplex);
        const sending = writer.send(value);
        // Its end follows when somebody reads on, who does not.
        await assert.rejects(writer.send(value, 1), { name: 'TimeoutError' });
        reader.close();
        await assert.rejects(sending, { code: 'EPIPE' });
        writer.close();
      });
      await assertKeepsNothing(() => {
        const [reader, writer] = Pipe(isDuplex);
        assert.throws(() => writer.sendSync(value, 1), { name: 'TimeoutError' });
        reader.close();
        assert.throws(() => writer.sendSync(1), { code: 'EPIPE' });
        writer.close();
      });
    }
  },
};
