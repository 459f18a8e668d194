// The surroundings that snippets of the documentation take for granted: the names that they use,
// and what must be true when they are done.

export interface Surroundings {
  /** Comes before the snippet. */
  before?: string;
  /** Comes after it. `assert` is imported. */
  after?: string;
  /** Ports and hosts that a test cannot have. */
  replace?: [from: string, to: string][];
  /** The output of the program; default: nothing. */
  stdout?: string | RegExp;
}

const IN_A_DIRECTORY_OF_ITS_OWN = `
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
const directory = mkdtempSync(join(tmpdir(), 'truefork-snippet-'));
const parent = process.pid;
process.chdir(directory);
process.on('exit', () => process.pid === parent && rmSync(directory, { recursive: true }));
`;

const SAMPLE_FILES = `${IN_A_DIRECTORY_OF_ITS_OWN}
const files = ['a', 'b', 'c'];
for (const name of files) writeFileSync(name, name.repeat(10));
`;

export const surroundings: Record<string, Surroundings> = {
  'README.md, 1': {
    stdout: /^280 found, .*\nDOCUMENT 42\n3 null\n\d+ KiB at most\n$/,
  },

  'docs/guide.md, One function in a child: `inChild`, 1': {
    before: 'const sieve = (limit) => [2, 3, 5, 7].filter((prime) => prime < limit);',
    after: 'assert.deepEqual(primes, [2, 3, 5, 7]);',
  },
  'docs/guide.md, One function in a child: `inChild`, 2': {
    before: `${IN_A_DIRECTORY_OF_ITS_OWN}
      import { inChild } from 'truefork';
      const state = new Map([['a', 1]]);`,
    after: `assert.equal(readFileSync('state.json', 'utf8'), '[["a",1]]');`,
  },

  'docs/guide.md, Processes, 1': {
    before: 'const [work, job] = [(n) => process.exit(n), 5];',
    after: 'assert.equal(exitcode, 5);',
  },
  'docs/guide.md, Processes, 2': {
    before: `import { Process } from 'truefork';
      const index = async (n) => process.exit(n);`,
    after: `const indexer = new Indexer(7);
      indexer.start();
      assert.equal(await indexer.join(), 7);`,
  },

  'docs/guide.md, Processes, Servers that several processes share, 1': {
    before: `import { activeChildren } from 'truefork';
      const answer = (request, response) => response.end(String(process.pid));`,
    replace: [
      ['8080', '0'],
      ['server.close();', 'const { port } = server.address(); server.close();'],
      ['});\n', `  void ask(port);\n});\n`],
    ],
    after: `async function ask(port) {
        const pid = await (await fetch('http://127.0.0.1:' + port)).text();
        assert.ok(activeChildren().some((child) => child.pid === Number(pid)));
        for (const child of activeChildren()) child.kill();
      }`,
  },

  'docs/guide.md, Pools, 1': {
    before:
      'const [shrink, size, paths] = [(path, length) => path.slice(0, length), 2, ["abc", "d"]];',
    after: 'assert.deepEqual(thumbnails, ["ab", "d"]);',
  },

  'docs/guide.md, Pipes, 1': {
    before: 'const answer = ({ question }) => question + 1;',
    stdout: '2\n',
  },

  'docs/guide.md, Queues, 1': {
    before: `const [work, list, used] = [(n) => n * n, [1, 2, 3], []];
      const use = (result) => used.push(result);`,
    after: `assert.deepEqual(used, [1, 4, 9]);
      assert.equal(await worker.join(), 0);`,
  },

  'docs/guide.md, Queues, Many at once: `wait`, 1': {
    before: `import { Listener, Pipe, Process } from 'truefork';
      const [connection, other] = Pipe();
      await other.send('hello');
      const child = new Process({ target: () => setInterval(() => {}, 1000), daemon: true });
      child.start();
      using listener = new Listener();`,
    stdout: 'hello\n',
  },

  'docs/guide.md, Queues, Sending handles, 1': {
    before: `import { Pipe } from 'truefork';
      const [connection, elsewhere] = Pipe();
      const job = 1;
      void elsewhere.recv().then(({ job, replyTo }) => replyTo.send(job + 1));`,
    stdout: '2\n',
  },

  'docs/guide.md, Other programs, other machines: `Listener` and `Client`, 1': {
    before: `import { inChild } from 'truefork';
      const peers = [];
      async function serve(connection, peer) {
        peers.push(peer[0]);
        await connection.send('served');
        listener.close();
      }
      const authkey = Buffer.from('a secret');
      const asked = new Promise((resolve) => setImmediate(resolve)).then(() =>
        inChild(async () => (await Client(['127.0.0.1', listener.address[1]], { authkey })).recv()),
      );`,
    replace: [['6000', '0']],
    after: `assert.equal(await asked, 'served');
      assert.deepEqual(peers, ['127.0.0.1']);`,
  },
  'docs/guide.md, Other programs, other machines: `Listener` and `Client`, 2': {
    before: `import { Client, Listener } from 'truefork';
      using listener = new Listener(['127.0.0.1', 0], { authkey: Buffer.from('a secret') });
      const accepted = listener.accept();`,
    replace: [["['server.local', 6000]", 'listener.address']],
    after: `await connection.send('hello');
      assert.equal(await (await accepted).recv(), 'hello');
      connection.close();`,
  },

  'docs/guide.md, Shared memory, 1': {
    before: SAMPLE_FILES,
    after: `assert.equal(done.value, 3);
      assert.equal(counts['b'.charCodeAt(0)], 10);`,
  },
  'docs/guide.md, Shared memory, Memory with a name, 1': {
    before: `${IN_A_DIRECTORY_OF_ITS_OWN}
      import { execFileSync } from 'node:child_process';
      const execFile = execFileSync;
      writeFileSync('reader.py', [
        'import sys',
        'from multiprocessing.shared_memory import SharedMemory',
        'shm = SharedMemory(name=sys.argv[1])',
        'print(bytes(shm.buf[:5]).decode())',
      ].join('\\n'));`,
    replace: [
      [
        "execFileSync('python3', ['reader.py', shm.name])",
        "const read = execFile('python3', ['reader.py', shm.name], { encoding: 'utf8', stdio: 'pipe' })",
      ],
      // Python before 3.13 removes what it has only attached to.
      [
        'shm.unlink();',
        "try { shm.unlink(); } catch (error) { assert.equal(error.code, 'ENOENT'); }",
      ],
    ],
    after: `assert.equal(read, 'hello\\n');`,
  },
  'docs/guide.md, Shared memory, Memory with a name, 2': {
    before: `import { ShareableList } from 'truefork';`,
    after: `assert.deepEqual([...list], ['ready', 1, 0.5]);
      list.shm.unlink();`,
  },

  'docs/guide.md, Locks and the like, 1': {
    after: 'assert.deepEqual([low.value, high.value, lock.locked()], [-1, 1, false]);',
  },
  'docs/guide.md, Locks and the like, 2': {
    before: `import { Condition, Process, Value } from 'truefork';
      const count = new Value('i');
      setTimeout(() =>
        condition.with(() => {
          count.value += 1;
          condition.notify();
        }),
      );`,
    after: 'assert.equal(count.value, 0);',
  },

  'docs/guide.md, Managers, 1': { stdout: '0\n' },
  'docs/guide.md, Managers, Classes of your own, 1': {
    after: 'assert.equal(counter.increment(), 3);',
  },
  'docs/guide.md, Managers, Pools, 1': {
    before: `import { Manager, Pool } from 'truefork';
      const [linksOf, pages] = [(page) => [page + '#'], ['a', 'b']];`,
    after: `const links = [found.getSync(), found.getSync()].flat();
      assert.deepEqual(links.toSorted(), ['a#', 'b#']);`,
  },
  'docs/guide.md, Managers, Pools, 2': {
    before: `import { Manager, SyncManager } from 'truefork';
      function thumbnail(path) { return path.slice(0, 1); }
      const paths = ['abc', 'de'];`,
    replace: [
      ['await pool.map(thumbnail, paths);', 'const thumbnails = await pool.map(thumbnail, paths);'],
    ],
    after: `assert.deepEqual(thumbnails, ['a', 'd']);
      assert.deepEqual(await pool.map('thumbnail', paths), ['a', 'd']);`,
  },
  'docs/guide.md, Managers, On other machines, 1': {
    before: `${IN_A_DIRECTORY_OF_ITS_OWN}
      import { BaseManager, Process } from 'truefork';
      import { setTimeout as sleep } from 'node:timers/promises';
      process.env.KEY = 'a secret';
      class Tasklist { next() { return 'task'; } }
      const queue = new Tasklist();
      const address = join(directory, 'socket');
      const client = new Process({
        target: async () => {
          const { existsSync } = await import('node:fs');
          while (!existsSync(address)) await sleep(5);
          const manager = await new Tasks({ address, authkey: Buffer.from('a secret') }).connect();
          assert.equal(manager.queue().next(), 'task');
          process.kill(parent, 'SIGUSR2');
        },
      });
      process.once('SIGUSR2', async () => process.exit(await client.join()));
      setImmediate(() => client.start());`,
    replace: [["['0.0.0.0', 50000]", 'address']],
  },
  'docs/guide.md, Managers, On other machines, 2': {
    before: `${IN_A_DIRECTORY_OF_ITS_OWN}
      import { asyncProxy, BaseManager } from 'truefork';
      class Server extends BaseManager {}
      class Tasklist { next() { return 'task'; } }
      Server.register('queue', Tasklist);
      const authkey = Buffer.from('a secret');
      using server = new Server({ address: join(directory, 'socket'), authkey }).start();`,
    replace: [["['server', 50000]", 'server.address']],
    after: `assert.equal(await queue.next(), 'task');`,
  },

  'docs/guide.md, POSIX, 1': {
    stdout: /^hello from \d+\n?\0*\n\{[^]*pid: \d+,[^]*status: 0,[^]*coreDumped: false[^]*\}\n$/,
  },

  'docs/limits.md, Random numbers, 1': {
    before: `import { inChild } from 'truefork';
      nanoid();`,
    after: `const draw = () => [nanoid(), nanoid()];
      const drawn = [await inChild(draw), await inChild(draw), draw()].flat();
      assert.equal(new Set(drawn).size, 6);`,
  },

  'lib/connection/client.ts, 1': {
    before: `import { Client, Listener } from 'truefork';
      using listener = new Listener(['localhost', 0], { authkey: Buffer.from('secret') });
      const served = listener.accept().then((peer) => peer.send('hello'));`,
    replace: [["['localhost', 6000]", 'listener.address']],
    after: 'await served;',
    stdout: 'hello\n',
  },
  'lib/connection/listener.ts, 1': {
    before: `import { Client, Listener } from 'truefork';
      const asked = new Promise((resolve) => setImmediate(resolve)).then(async () => {
        const connection = await Client(listener.address, { authkey: Buffer.from('secret') });
        const answer = await connection.recv();
        listener.close();
        return answer;
      });`,
    replace: [['6000', '0']],
    after: `assert.equal((await asked).hello[0], '127.0.0.1');`,
  },
  'lib/connection/wait.ts, 1': {
    before: `import { Listener, Pipe, Process, wait } from 'truefork';
      const [connection, other] = Pipe();
      await other.send('hello');
      const child = new Process({ target: () => setInterval(() => {}, 1000), daemon: true });
      child.start();
      using listener = new Listener();`,
    stdout: 'hello\n',
  },
  'lib/serialize/handles.ts, 1': {
    before: `${IN_A_DIRECTORY_OF_ITS_OWN}
      import fs from 'node:fs';
      import { DupFd, Pipe } from 'truefork';
      const [connection, other] = Pipe();`,
    after: `fs.writeSync((await other.recv()).detach(), 'written');
      assert.equal(readFileSync('log', 'utf8'), 'written');`,
  },
  'lib/in-child/in-child.ts, 1': {
    before: `import { inChild } from 'truefork';
      const sieve = () => [2, 3, 5];`,
    after: 'assert.deepEqual(primes, [2, 3, 5]);',
  },
  'lib/managers/base-manager.ts, 1': {
    before: `import { BaseManager, inChild } from 'truefork';`,
    stdout: '2\n',
  },
  'lib/managers/client/proxies/async.ts, 1': {
    before: `import { asyncProxy, Manager } from 'truefork';
      using manager = Manager();
      const dict = manager.dict({ done: 1 });`,
    after: 'assert.equal(dict.done, 2);',
  },
  'lib/managers/client/proxies/base.ts, 1': {
    before: `import { BaseManager, BaseProxy } from 'truefork';`,
    after: `class Counter { count = 0; increment(by) { return (this.count += by); } }
      class Counters extends BaseManager {}
      Counters.register('Counter', Counter, { proxyType: CounterProxy });
      using manager = new Counters().start();
      assert.equal(manager.Counter().increment(), 1);`,
  },
  'lib/managers/shared-memory-manager.ts, 1': {
    before: `import { SharedMemoryManager } from 'truefork';`,
    after: `assert.equal(shm.size, 1000);
      assert.deepEqual([...list], ['a', 1, null]);`,
  },
  'lib/managers/sync-manager.ts, 1': {
    before: `import { Manager, SyncManager } from 'truefork';
      function square(n) { return n * n; }`,
    replace: [['await pool.map(', 'const squares = await pool.map(']],
    after: 'assert.deepEqual(squares, [1, 4, 9]);',
  },
  'lib/managers/sync-manager.ts, 2': {
    before: `import { inChild, Manager } from 'truefork';`,
    stdout: '1\n',
  },
  'lib/pool/pool.ts, 1': {
    before: `import { Pool } from 'truefork';
      const [compress, paths] = [(path) => path.slice(1), ['abc', 'd']];`,
    after: 'assert.deepEqual(sizes, [2, 0]);',
  },
  'lib/process/process.ts, 1': {
    before: `import { Process } from 'truefork';`,
    stdout: 'hello, Ada\n',
  },
  'lib/queues/joinable-queue.ts, 1': {
    before: `import { JoinableQueue, Process, Value } from 'truefork';
      const paths = ['a', 'b'];
      const indexed = new Value('i');
      const index = async () => indexed.add(1);`,
    after: 'assert.equal(indexed.value, 2);',
  },
  'lib/queues/queue.ts, 1': {
    before: `import { Process, Queue } from 'truefork';`,
    replace: [['await queue.get();', 'const got = await queue.get();']],
    after: `assert.equal(got, 'hello');`,
  },
  'lib/memory/shareable-list.ts, 1': {
    before: `import { ShareableList } from 'truefork';`,
    after: `assert.deepEqual([...list], ['ready', 1, 0.5]);`,
  },
  'lib/sharedctypes/array.ts, 1': {
    before: `import { inChild, SharedArray } from 'truefork';
      const bytes = Buffer.from('aab');`,
    after: 'assert.deepEqual([counts[97], counts[98]], [2, 1]);',
  },
  'lib/memory/shared-memory.ts, 1': {
    before: `import { SharedMemory } from 'truefork';
      let command;
      const run = async (line) => { command = line; };`,
    after: 'assert.equal(command, `python3 reader.py ${shm.name}`);',
  },
  'lib/sharedctypes/value.ts, 1': {
    before: `import { inChild, RawValue } from 'truefork';
      const [files, index] = [['a', 'b'], () => {}];`,
    after: `await Promise.all(indexing);
      assert.equal(done.value, 2);`,
  },
  'lib/sharedctypes/value.ts, 2': {
    before: `import { Value } from 'truefork';
      const amount = 1.5;`,
    after: 'assert.equal(total.value, 1.5);',
  },
  'lib/synchronize/condition.ts, 1': {
    before: `import { Condition, Value } from 'truefork';
      const [condition, items] = [new Condition(), new Value('i', 1)];`,
    after: 'assert.equal(condition.acquireSync(0), true);',
  },
  'lib/synchronize/lock.ts, 1': {
    before: `import { Lock } from 'truefork';`,
    after: 'assert.equal(lock.locked(), false);',
  },
};
