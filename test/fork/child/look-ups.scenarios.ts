// Children look up names while all threads of their parent that may do so are at it.
import assert from 'node:assert/strict';
import type { Scenarios } from '../../support/scenarios.js';
import { HAVE_SLOW_RESOLVER, runWithSlowResolver } from '../../support/slow-resolver.js';

/**
 * Three generations, each forked by `forkAndRun`; each has all its threads for look-ups at work.
 */
function program(forkAndRun: string): string {
  return `
    import assert from 'node:assert/strict';
    import { lookup } from 'node:dns';
    import { lookup as find } from 'node:dns/promises';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { Process } from 'truefork';
    import { _exit, fork, waitpid, WNOHANG } from 'truefork/posix';

    async function liveOn(generations) {
      const { address } = await find('localhost', { family: 4 });
      assert.equal(address, '127.0.0.1');
      if (generations === 0) return;
      for (let i = 0; i < 5; i++) lookup('nowhere.example', () => {});
      await sleep(50); // they are under way
      await forkAndRun(() => liveOn(generations - 1));
    }

    ${forkAndRun}

    await liveOn(3);
    _exit(7); // Node would wait until all names are looked up
  `;
}

/** Each runs `work` in a child, and throws if that does not end, or not well. */
const FORKS: Record<string, string> = {
  'posix.fork()': `
    async function forkAndRun(work) {
      const pid = fork();
      if (pid === 0) {
        await work();
        _exit(0);
      }
      for (let i = 0; i < 2000; i++) {
        const status = waitpid(pid, WNOHANG);
        if (status !== null) return assert.equal(status.exitcode, 0);
        await sleep(10);
      }
      process.kill(pid, 'SIGKILL');
      assert.fail('the child finds nothing');
    }`,
  Process: `
    async function forkAndRun(work) {
      const target = () => work().then(() => _exit(0));
      const child = new Process({ target });
      child.start();
      const exitcode = await child.join(20_000);
      child.kill();
      assert.equal(exitcode, 0);
    }`,
};

/**
 * Children whose caller waits for them; they begin no look-up of their own that would hold them up.
 */
const OTHERS = `
  import assert from 'node:assert/strict';
  import { lookup } from 'node:dns';
  import { lookup as find } from 'node:dns/promises';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { asyncProxy, inChild, Pool, SyncManager } from 'truefork';
  import { _exit } from 'truefork/posix';

  async function findHost() {
    return (await find('localhost', { family: 4 })).address;
  }

  class Finder {
    find() {
      return findHost();
    }
  }
  class Finders extends SyncManager {}
  Finders.register('Finder', Finder);

  for (let i = 0; i < 5; i++) lookup('nowhere.example', () => {});
  await sleep(50); // they are under way
  assert.equal(await inChild(findHost), '127.0.0.1');
  const pool = new Pool(1);
  assert.equal(await pool.apply(findHost), '127.0.0.1');
  const manager = new Finders();
  manager.start();
  assert.equal(await asyncProxy(manager.Finder()).find(), '127.0.0.1');
  pool.terminate();
  await pool.join();
  manager.shutdown();
  _exit(7);
`;

function runWithAllSizes(text: string): void {
  if (!HAVE_SLOW_RESOLVER) return;
  for (const size of ['', '1', '3']) {
    const end = runWithSlowResolver(text, { UV_THREADPOOL_SIZE: size });
    assert.deepEqual(end, { status: 7, stderr: '' }, `UV_THREADPOOL_SIZE=${size}`);
  }
}

export const scenarios: Scenarios = {
  ...Object.fromEntries(
    Object.entries(FORKS).map(([name, forkAndRun]) => [
      `children of ${name}`,
      () => runWithAllSizes(program(forkAndRun)),
    ]),
  ),

  'inChild(), a worker and a server': () => runWithAllSizes(OTHERS),
};
