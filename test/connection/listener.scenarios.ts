// Listener and Client: the rows of _TestListener, _TestListenerClient and _TestPoll.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import {
  type Address,
  Client,
  ClientSync,
  Listener,
  Pipe,
  Process,
  wait,
  waitSync,
} from 'truefork';
import { _exit, close, dup, fork, waitpid } from 'truefork/posix';
import { countDescriptors, until } from '../support/observe.js';
import { startProgram } from '../support/programs.js';
import type { Scenarios } from '../support/scenarios.js';
import {
  abstractName,
  ADDRESSES,
  assertConnected,
  assertEnds,
  connected,
  KEY,
} from './listening.js';
import { assertGood, EOF, misuse, started, TIMEOUT, turn } from './support.js';

const CLOSED = misuse('CLOSED', 'listener is closed');

/** A directory of its own, for as long as `use` takes; what is temporary goes there, too. */
async function withDirectory(use: (path: string) => unknown): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'truefork-test-'));
  process.env['TMPDIR'] = path;
  try {
    await use(path);
  } finally {
    delete process.env['TMPDIR'];
    rmSync(path, { recursive: true });
  }
}

export const scenarios: Scenarios = {
  async 'an address can be had once'() {
    for (const [name, [address, family]] of Object.entries(ADDRESSES)) {
      const listener = new Listener(address(), { family });
      assert.throws(
        () => new Listener(listener.address, { family }),
        { code: 'EADDRINUSE', syscall: 'bind' },
        name,
      );
      listener.close();
      new Listener(listener.address === '' ? undefined : again(listener.address)).close();
    }

    function again(address: Address): Address {
      // The directory of a listener that has none of its own is gone.
      return typeof address === 'string' && address.startsWith('/') ? abstractName() : address;
    }
  },

  async 'a child connects, whatever the family'() {
    for (const [address, family] of Object.values(ADDRESSES)) {
      for (const authkey of [undefined, KEY, Buffer.alloc(0)]) {
        const listener = new Listener(address(), { family, authkey });
        const child = started(async () => {
          const connection = await Client(listener.address, { family, authkey });
          await connection.send('hello');
        });
        const connection = await listener.accept();
        assert.equal(await connection.recv(), 'hello');
        await assertEnds(connection);
        await assertGood(child);
        listener.close();
      }
    }
  },

  'the same without an event loop': {
    run() {
      for (const [address, family] of Object.values(ADDRESSES)) {
        for (const authkey of [undefined, KEY]) {
          const listener = new Listener(address(), { family, authkey });
          const child = new Process({
            target: () => ClientSync(listener.address, { authkey }).sendSync('hello'),
          });
          child.start();
          const connection = listener.acceptSync();
          assert.equal(connection.recvSync(), 'hello');
          assert.throws(() => connection.recvSync(), EOF);
          assert.equal(child.joinSync(), 0);
          connection.close();
          listener.close();
        }
      }
    },
  },

  async 'a client that has gone before it is accepted'() {
    for (const [address, family] of Object.values(ADDRESSES)) {
      const listener = new Listener(address(), { family });
      const child = started(() => {
        const connection = ClientSync(listener.address);
        connection.sendSync('hello');
        connection.close();
      });
      await assertGood(child);
      const connection = listener.acceptSync();
      assert.equal(connection.pollSync(), true);
      assert.equal(connection.recvSync(), 'hello');
      assert.throws(() => connection.recvSync(), EOF);
      listener.close();
    }
  },

  async 'poll() right after accept()'() {
    for (const [address, family] of Object.values(ADDRESSES)) {
      using listener = new Listener(address(), { family });
      const [a, b] = await connected(listener);
      assert.equal(await a.poll(), false);
      b.sendSync('hello');
      assert.equal(await a.poll(10_000), true);
      assert.equal(a.pollSync(), true);
      assert.equal(a.recvSync(), 'hello');
      assert.equal(a.pollSync(), false);
    }
  },

  async 'empty messages, one by one, and none is a part of another'() {
    using listener = new Listener(['localhost', 0]);
    const [a, b] = await connected(listener);
    const messages = ['', 'a', 'a\nb', '', 'a\rb', 'x'.repeat(100_000)];
    const sending = (async () => {
      for (const message of messages) await a.sendBytes(Buffer.from(message));
    })();
    for (const message of messages) {
      assert.equal(await b.poll(10_000), true);
      assert.equal(await b.poll(10_000), true);
      assert.equal(String(await b.recvBytes()), message);
    }
    await sending;
    a.close();
    await assertEnds(b);
  },

  async 'what comes over TCP without a pause'() {
    using listener = new Listener(['127.0.0.1', 0]);
    const [a, b] = await connected(listener);
    const sending = (async () => {
      for (let i = 0; i < 2000; i++) await a.send({ i, text: 'x'.repeat(i) });
    })();
    for (let i = 0; i < 2000; i++) {
      const { i: number, text } = (await b.recv()) as { i: number; text: string };
      assert.equal(number, i);
      assert.equal(text.length, i);
    }
    await sending;
  },

  async 'where it listens, and who has come'() {
    using file = new Listener();
    assert.equal(typeof file.address, 'string');
    assert.ok(statSync(file.address as string).isSocket());
    assert.equal(statSync(dirname(file.address as string)).mode & 0o777, 0o700);
    assert.equal(file.lastAccepted, null);
    await connected(file);
    assert.equal(file.lastAccepted, '');
    using tcp = new Listener(['localhost', 0]);
    const [host, port] = tcp.address;
    assert.equal(host, '127.0.0.1');
    assert.ok(Number(port) > 0);
    const socket = connect(Number(port), '127.0.0.1');
    await tcp.accept();
    assert.deepEqual(tcp.lastAccepted, ['127.0.0.1', socket.localPort]);
    socket.destroy();
    using any = new Listener(['', 0]);
    assert.equal(any.address[0], '0.0.0.0');
    using six = new Listener(['::1', 0]);
    assert.equal(six.address[0], '::1');
    const name = abstractName();
    using abstract = new Listener(name);
    assert.equal(abstract.address, name);
    using chosen = new Listener(undefined, { family: 'AF_INET' });
    assert.equal(chosen.address[0], '127.0.0.1');
    assert.equal(inspect(abstract), `Listener(${inspect(name)})`);
    abstract.close();
    assert.equal(inspect(abstract), 'Listener(closed)');
  },

  async 'what a file leaves behind: nothing'() {
    await withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      {
        using listener = new Listener(path);
        assert.ok(existsSync(path));
        const child = started(() => listener.close());
        await assertGood(child);
        assert.ok(existsSync(path));
        await connected(listener);
      }
      assert.ok(!existsSync(path));
      const gone = new Listener(path);
      rmSync(path);
      gone.close();
      writeFileSync(path, 'not ours');
      assert.throws(() => new Listener(path), { code: 'EADDRINUSE' });
      assert.ok(existsSync(path));
      new Listener().close();
      assert.deepEqual(readdirSync(directory), ['socket']);
    });
  },

  async 'nor does one that was not closed'() {
    await withDirectory(async (directory) => {
      const path = join(directory, 'socket');
      const program = startProgram('listen, fork and exit', {}, path);
      assert.deepEqual(await program.end(), { code: 0, signal: null }, program.stderr);
      assert.deepEqual(readdirSync(directory), []);
    });
  },

  // For the scenario above.
  'listen, fork and exit': {
    async run() {
      const path = process.argv[4];
      if (path === undefined) return;
      const listeners = [new Listener(path), new Listener()];
      const child = started(() => process.exit());
      await assertGood(child);
      const pid = fork();
      if (pid === 0) process.exit();
      assert.equal(waitpid(pid)!.exitcode, 0);
      for (const { address } of listeners) assert.ok(existsSync(address as string));
      process.exit();
    },
  },

  'garbage does not listen': {
    async run() {
      const { gc } = globalThis as unknown as { gc: () => void };
      const before = countDescriptors();
      const paths: string[] = [];
      const make = async (): Promise<void> => {
        const listener = new Listener(undefined, { authkey: KEY });
        paths.push(listener.address as string);
        await assert.rejects(listener.accept(1), TIMEOUT);
      };
      for (let i = 0; i < 20; i++) await make();
      await until(() => {
        gc();
        return countDescriptors() <= before + 3;
      });
      assert.ok(paths.filter((path) => existsSync(path)).length <= 3);
    },
    options: { nodeArgs: ['--expose-gc'] },
  },

  async 'the end of a listener'() {
    const before = countDescriptors();
    const listener = new Listener(undefined, { authkey: KEY });
    const accepting = [listener.accept(), listener.accept()];
    await turn();
    listener.close();
    listener.close();
    for (const accepted of accepting) await assert.rejects(accepted, CLOSED);
    await assert.rejects(listener.accept(), CLOSED);
    assert.throws(() => listener.acceptSync(), CLOSED);
    assert.throws(() => listener.fileno(), CLOSED);
    assert.equal(listener.closed, true);
    for await (const connection of listener) assert.fail(connection.closed ? 'closed' : 'open');
    await until(() => countDescriptors() <= before);
  },

  async 'the connections that come, one by one'() {
    const listener = new Listener(undefined, { authkey: KEY });
    const child = started(async () => {
      listener.close();
      for (let i = 0; i < 10; i++) {
        const connection = await Client(listener.address, { authkey: KEY });
        await connection.send(i);
        assert.equal(await connection.recv(), i);
      }
    });
    let count = 0;
    for await (const connection of listener) {
      assert.equal(await connection.recv(), count);
      await connection.send(count);
      if (++count === 10) listener.close();
    }
    assert.equal(count, 10);
    await assertGood(child);
  },

  async 'timeouts and aborts'() {
    for (const authkey of [undefined, KEY]) {
      using listener = new Listener(abstractName(), { authkey });
      for (const timeout of [0, -1, 10]) {
        await assert.rejects(listener.accept(timeout), TIMEOUT);
        assert.throws(() => listener.acceptSync({ timeout }), TIMEOUT);
      }
      const reason = new Error('enough');
      const controller = new AbortController();
      const accepting = listener.accept({ signal: controller.signal });
      const next = listener.accept();
      await turn();
      controller.abort(reason);
      const aborted = { name: 'AbortError', cause: reason };
      await assert.rejects(accepting, aborted);
      await assert.rejects(listener.accept({ signal: controller.signal }), aborted);
      const client = await Client(listener.address, { authkey });
      await assertConnected(client, await next);
    }
    // One that does not answer.
    using mute = new Listener(abstractName());
    const timeout = { timeout: 20, authkey: KEY };
    await assert.rejects(Client(mute.address, timeout), TIMEOUT);
    assert.throws(() => ClientSync(mute.address, timeout), TIMEOUT);
    const controller = new AbortController();
    const { signal } = controller;
    const connecting = assert.rejects(Client(mute.address, { authkey: KEY, signal }), {
      name: 'AbortError',
    });
    await turn();
    controller.abort();
    await connecting;
    await assert.rejects(Client(mute.address, { signal }), { name: 'AbortError' });
  },

  async 'those who wait are served in their order'() {
    for (const authkey of [undefined, KEY]) {
      using listener = new Listener(undefined, { authkey });
      const order: number[] = [];
      const accepting = Array.from({ length: 5 }, async (_, i) => {
        await listener.accept();
        order.push(i);
      });
      for (let i = 0; i < 5; i++) await Client(listener.address, { authkey });
      await Promise.all(accepting);
      assert.deepEqual(order, [0, 1, 2, 3, 4]);
    }
  },

  async 'more come than may wait'() {
    for (const address of [undefined, abstractName()]) {
      using listener = new Listener(address, { backlog: 1 });
      const clients = Array.from({ length: 20 }, () => Client(listener.address));
      for (let i = 0; i < 20; i++) {
        const connection = await listener.accept();
        connection.sendSync(i);
      }
      const all = await Promise.all(clients);
      const numbers = all.map((client) => client.recvSync() as number);
      assert.deepEqual(
        numbers.toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, i) => i),
      );
    }
  },

  'two hundred clients at once, with a key': {
    async run() {
      const listener = new Listener(['localhost', 0], { authkey: KEY });
      const children = Array.from({ length: 4 }, () =>
        started(async () => {
          listener.close();
          const clients = Array.from({ length: 50 }, async (_, i) => {
            const connection = await Client(listener.address, { authkey: KEY });
            await connection.send(i);
            assert.equal(await connection.recv(), i + 1);
          });
          await Promise.all(clients);
        }),
      );
      const served = [];
      for (let i = 0; i < 200; i++) {
        const connection = await listener.accept();
        const serve = async (): Promise<void> => {
          await connection.send(((await connection.recv()) as number) + 1);
          await assertEnds(connection);
        };
        served.push(serve());
      }
      await Promise.all(served);
      for (const child of children) await assertGood(child);
    },
  },

  async 'several processes accept from one listener'() {
    const listener = new Listener(undefined, { authkey: KEY });
    const [reader, writer] = Pipe(false);
    const children = Array.from({ length: 3 }, () =>
      started(async () => {
        for (;;) {
          const connection = await listener.accept();
          const word = await connection.recv();
          await connection.send(process.pid);
          if (word === 'end') return;
        }
      }),
    );
    writer.close();
    reader.close();
    for (let i = 0; i < 20; i++) {
      const connection = await Client(listener.address, { authkey: KEY });
      await connection.send('go on');
      assert.ok(children.some(({ pid }) => pid !== process.pid));
      assert.equal(typeof (await connection.recv()), 'number');
    }
    for (const _ of children) {
      const connection = await Client(listener.address, { authkey: KEY });
      await connection.send('end');
      await connection.recv();
    }
    for (const child of children) await assertGood(child);
    assert.ok(existsSync(listener.address as string));
    listener.close();
    assert.ok(!existsSync(listener.address as string));
  },

  async 'a fork while somebody waits, and while some shake hands'() {
    const listener = new Listener(undefined, { authkey: KEY });
    const accepting = listener.accept();
    await turn();
    const slow = connect(listener.address as string);
    await once(slow, 'data'); // the challenge
    const child = started(async () => {
      const connection = await Client(listener.address, { authkey: KEY });
      await connection.send('from the child');
      // A wait that the parent has begun is not here, and the listener can be used here, too.
      const [a, b] = await connected(listener, KEY);
      await assertConnected(a, b);
    });
    const connection = await accepting;
    assert.equal(await connection.recv(), 'from the child');
    await assertGood(child);
    // The child has no copy: this is the end for the slow one.
    const blocked = started(() => new Promise((done) => setTimeout(done, 60_000)));
    listener.close();
    await once(slow, 'close');
    blocked.kill();
    await blocked.join();
  },

  async 'a fork that goes on'() {
    const listener = new Listener(abstractName(), { authkey: KEY });
    const accepting = listener.accept();
    await turn();
    const pid = fork();
    if (pid === 0) {
      const [a, b] = await connected(listener, KEY);
      await assertConnected(a, b);
      _exit(0);
    }
    assert.equal(waitpid(pid)!.exitcode, 0);
    const client = await Client(listener.address, { authkey: KEY });
    await assertConnected(await accepting, client);
  },

  async 'wait() for listeners'() {
    for (const authkey of [undefined, KEY]) {
      const listener = new Listener(undefined, { authkey });
      const [a, b] = Pipe();
      assert.deepEqual(await wait([listener, a], 10), []);
      const client = Client(listener.address, { authkey });
      assert.deepEqual(await wait([listener, a]), [listener]);
      assert.deepEqual(waitSync([listener, a]), [listener]);
      await assertConnected(await listener.accept(), await client);
      b.sendSync(1);
      assert.deepEqual(waitSync([a, listener]), [a]);
      const waiting = wait([listener]);
      await turn();
      listener.close();
      assert.deepEqual(await waiting, [listener]);
      await assert.rejects(wait([listener]), CLOSED);
    }
  },

  async 'wait() sees one who was admitted when nobody asked'() {
    using listener = new Listener(undefined, { authkey: KEY });
    const slow = connect(listener.address as string);
    await assert.rejects(listener.accept(10), TIMEOUT);
    // Its handshake has begun, and ends while nobody waits in accept().
    slow.destroy();
    const first = listener.accept();
    const client = Client(listener.address, { authkey: KEY });
    await first;
    const rest = [
      Client(listener.address, { authkey: KEY }),
      Client(listener.address, { authkey: KEY }),
    ];
    const second = await listener.accept();
    assert.deepEqual(await wait([listener], 10_000), [listener]);
    const third = await listener.accept();
    await Promise.all([client, ...rest]);
    second.close();
    third.close();
  },

  async 'where nobody listens'() {
    using gone = new Listener(['localhost', 0]);
    const { address } = gone;
    gone.close();
    const cases: [Address, string][] = [
      [address, 'ECONNREFUSED'],
      [abstractName(), 'ECONNREFUSED'],
      ['/no/such/file', 'ENOENT'],
      ['/dev/null', 'ECONNREFUSED'],
      ['x'.repeat(200), 'ENAMETOOLONG'],
    ];
    for (const [where, code] of cases) {
      const error = { code, syscall: 'connect' };
      await assert.rejects(Client(where), error, String(where));
      assert.throws(() => ClientSync(where), error, String(where));
    }
    for (const make of [Client, async (where: Address) => ClientSync(where)]) {
      await assert.rejects(make(['no-such-host.invalid', 1]), {
        syscall: 'getaddrinfo',
        code: /^(ENOTFOUND|EAI_AGAIN)$/,
      });
    }
    assert.throws(() => new Listener('/no/such/directory/socket'), { code: 'ENOENT' });
    assert.throws(() => new Listener('x'.repeat(200)), { code: 'ENAMETOOLONG', syscall: 'bind' });
    assert.throws(() => new Listener(['192.0.2.1', 0]), { code: 'EADDRNOTAVAIL' });
  },

  async 'wrong arguments'() {
    const wrong = { code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/ };
    const addresses = [
      1,
      true,
      {},
      '',
      'a\0b',
      [],
      ['a'],
      ['a', 'b'],
      ['a', -1],
      ['a', 65_536],
      ['a', 1, 2],
      ['a\0', 1],
    ];
    for (const address of addresses) {
      assert.throws(() => new Listener(address as never), wrong, inspect(address));
      assert.throws(() => ClientSync(address as never), wrong, inspect(address));
      await assert.rejects(Client(address as never), wrong, inspect(address));
    }
    for (const address of [undefined, null]) {
      assert.throws(() => ClientSync(address as never), wrong);
    }
    for (const options of [
      { authkey: 'a string' },
      { authkey: null },
      { family: 'AF_PIPE' },
      { family: 2 },
    ]) {
      assert.throws(() => new Listener(undefined, options as never), wrong, inspect(options));
      assert.throws(() => ClientSync('/x', options as never), wrong, inspect(options));
    }
    for (const backlog of [-1, 0.5, '1', NaN]) {
      assert.throws(() => new Listener(undefined, { backlog } as never), wrong, inspect(backlog));
    }
    assert.throws(() => new Listener('/x', { family: 'AF_INET' }), wrong);
    assert.throws(() => new Listener(['localhost', 0], { family: 'AF_UNIX' }), wrong);
    assert.throws(() => new Listener(undefined, null as never), wrong);
  },

  async 'no descriptor for one who comes'() {
    if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=120:']).status !== 0) return;
    for (const authkey of [undefined, KEY]) {
      using listener = new Listener(abstractName(), { authkey });
      const client = started(async () => {
        const connection = await Client(listener.address, { authkey });
        assert.equal(await connection.recv(), 'at last');
      });
      const plugs: number[] = [];
      await until(() => waitSync([listener], 0).length === 1);
      assert.throws(() => {
        for (;;) plugs.push(dup(0));
      });
      assert.throws(() => listener.acceptSync(), { code: 'EMFILE' });
      await assert.rejects(listener.accept(), { code: 'EMFILE' });
      for (const plug of plugs) close(plug);
      const connection = await listener.accept();
      await connection.send('at last');
      await assertGood(client);
      connection.close();
    }
  },

  async 'a server of Node and a client of ours, and the other way round'() {
    const server = createServer((socket) => socket.end(Buffer.from('\0\0\0\x02ok', 'latin1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const connection = await Client(['127.0.0.1', port]);
    assert.equal(String(await connection.recvBytes()), 'ok');
    await assertEnds(connection);
    server.close();
  },
};
