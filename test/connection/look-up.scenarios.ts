// To connect to a host whose name nobody can say anything of, for a long time.
import assert from 'node:assert/strict';
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { BaseManager, Client, ClientSync, Listener } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { HAVE_SLOW_RESOLVER, runWithSlowResolver } from '../support/slow-resolver.js';
import { TIMEOUT } from './support.js';

const NOWHERE = ['nowhere.example', 1] as const;

/** A look-up under way keeps the event loop alive. */
function never(): Promise<never> {
  return new Promise(() => setTimeout(() => {}, 600_000));
}

/** Replaces the look-up of Node. */
function lookUpWith(lookup: () => Promise<unknown>): void {
  Object.assign(dns, { lookup });
  syncBuiltinESMExports();
}

export const scenarios: Scenarios = {
  async 'ends after the timeout, or by a signal'() {
    lookUpWith(never);
    for (const timeout of [0, 1, 50]) await assert.rejects(Client(NOWHERE, { timeout }), TIMEOUT);
    const signal = AbortSignal.timeout(20);
    const abortion = { name: 'AbortError', code: 'ABORT_ERR' };
    await assert.rejects(Client(NOWHERE, { signal }), abortion);
    await assert.rejects(Client(NOWHERE, { signal, timeout: 10_000 }), abortion);
    process.exit();
  },

  async 'what fails later is nobody’s business any more'() {
    let fail = (): void => {};
    lookUpWith(() => new Promise((_, reject) => (fail = () => reject(new Error('too late')))));
    await assert.rejects(Client(NOWHERE, { timeout: 1 }), TIMEOUT);
    fail();
    await new Promise((resolve) => setImmediate(resolve));
    lookUpWith(() => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })));
    await assert.rejects(Client(NOWHERE, { timeout: 10_000 }), { code: 'ENOTFOUND' });
  },

  async 'a name that is known'() {
    using listener = new Listener(['localhost', 0]);
    const [, port] = listener.address as [string, number];
    for (const options of [{}, { timeout: 10_000 }]) {
      const accepted = listener.accept();
      using client = await Client(['localhost', port], options);
      using first = await accepted;
      first.sendSync('known');
      assert.equal(await client.recv(), 'known');
      using other = ClientSync(['localhost', port], options);
      using second = listener.acceptSync();
      second.sendSync('known');
      assert.equal(other.recvSync(), 'known');
    }
    const address = ['no such host', port] as const;
    for (const options of [{}, { timeout: 10_000 }]) {
      assert.throws(() => ClientSync(address, options), { code: 'ENOTFOUND', errno: -3008 });
    }
  },

  'by a thread that is blocked': {
    options: { timeout: 50_000 },
    run() {
      if (!HAVE_SLOW_RESOLVER) return;
      const program = `
        import assert from 'node:assert/strict';
        import { ClientSync, inChild } from 'truefork';
        const address = ['nowhere.example', 1];
        const late = { code: 'ERR_TRUEFORK_TIMEOUT' };
        for (const timeout of [0, 50]) assert.throws(() => ClientSync(address, { timeout }), late);
        await assert.rejects(inChild(() => ClientSync(address, { timeout: 50 })), late);
        process.exit(7);
      `;
      assert.deepEqual(runWithSlowResolver(program), { status: 7, stderr: '' });
    },
  },

  async 'of the server of a manager'() {
    lookUpWith(() => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })));
    const manager = new BaseManager({ address: [...NOWHERE], authkey: Buffer.from('key') });
    await assert.rejects(manager.connect(), { code: 'ERR_TRUEFORK_MANAGER_LOST' });
  },
};
