// Connections, sockets, servers and descriptors that are sent: the rows of
// _TestPicklingConnections, and of test_fd_transfer.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Client, Connection, DupFd, inChild, Listener, Pipe, Process } from 'truefork';
import { close, dup, pipe, read, sendFds, socketpair, write } from 'truefork/posix';
import { countDescriptors, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { abstractName, assertConnected, connected, KEY } from './listening.js';
import { assertGood, CLOSED, EOF, misuse, MB, pattern, started, turn } from './support.js';

const NOT_SHAREABLE = { name: 'ProcessError', code: 'ERR_TRUEFORK_NOT_SHAREABLE' };

async function listening(): Promise<[Server, number]> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return [server, (server.address() as { port: number }).port];
}

/** The bytes that a socket receives until its end. */
async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(socket, 'end');
  return text;
}

async function send(through: Connection, value: unknown, isSync: boolean): Promise<void> {
  if (isSync) through.sendSync(value);
  else await through.send(value);
}

export const scenarios: Scenarios = {
  async 'a connection that the parent makes when the child runs'() {
    const before = countDescriptors();
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      ours.close();
      const connection = (await theirs.recv()) as Connection;
      assert.ok(connection instanceof Connection);
      assert.equal(await connection.recv(), 'hello');
      await connection.send('and hello');
      const { reader, writer } = theirs.recvSync() as Record<string, Connection>;
      assert.deepEqual([reader!.readable, reader!.writable], [true, false]);
      assert.deepEqual([writer!.readable, writer!.writable], [false, true]);
      writer!.sendSync(reader!.recvSync());
    });
    theirs.close();
    const [a, b] = Pipe();
    await ours.send(b);
    b.close();
    await a.send('hello');
    assert.equal(await a.recv(), 'and hello');
    const [[c, d], [e, f]] = [Pipe(false), Pipe(false)];
    ours.sendSync({ reader: c, writer: f });
    c.close();
    f.close();
    d.sendSync('around');
    assert.equal(e.recvSync(), 'around');
    await assert.rejects(a.recv(), EOF);
    await assert.rejects(e.recv(), EOF);
    for (const end of [a, d, e, ours]) end.close();
    await assertGood(child);
    await until(() => countDescriptors() <= before);
  },

  async 'between processes that are not parent and child'() {
    using listener = new Listener(undefined, { authkey: KEY });
    const program = `
      import { Client, Connection } from 'truefork';
      const connection = await Client(process.argv[1], { authkey: Buffer.from(process.argv[2]) });
      const [a, text, b] = await connection.recv();
      a.sendSync(text);
      b.sendSync(a instanceof Connection);
    `;
    const { spawn } = await import('node:child_process');
    const args = ['--input-type=module', '-e', program, listener.address as string, String(KEY)];
    const other = spawn(process.execPath, args, { stdio: 'inherit', cwd: process.cwd() });
    const connection = await listener.accept();
    const [a, b] = Pipe();
    const [c, d] = Pipe(false);
    await connection.send([b, 'unrelated', d]);
    b.close();
    d.close();
    assert.equal(await a.recv(), 'unrelated');
    assert.equal(await c.recv(), true);
    assert.deepEqual(await once(other, 'exit'), [0, null]);
  },

  async 'inside of what they are sent in, once or many times'() {
    const [a, b] = Pipe();
    const [c, d] = Pipe();
    const deep: Record<string, unknown> = { connection: c };
    deep['itself'] = deep;
    const value = {
      list: Object.assign([c, d, c], { 4: 1 }),
      map: new Map<unknown, unknown>([
        [c, 'as a key'],
        ['as a value', d],
      ]),
      set: new Set([1, d, 2]),
      date: new Date(0),
      bytes: Uint8Array.of(1, 2),
      error: new RangeError('inside'),
      empty: {},
      deep,
      nothing: null,
      ['__proto__x']: 1,
    };
    Object.defineProperty(value, '__proto__', { value: [c], enumerable: true });
    for (const isSync of [false, true]) {
      await send(a, value, isSync);
      const received = (isSync ? b.recvSync() : await b.recv()) as typeof value;
      const [one, other] = received.list as unknown as [Connection, Connection];
      assert.ok(one instanceof Connection && other instanceof Connection && one !== other);
      assert.deepEqual(received.list, Object.assign([one, other, one], { 4: 1 }));
      assert.equal(3 in received.list, false);
      assert.deepEqual(
        [...received.map],
        [
          [one, 'as a key'],
          ['as a value', other],
        ],
      );
      assert.deepEqual([...received.set], [1, other, 2]);
      assert.equal(received.date.getTime(), 0);
      assert.deepEqual(received.bytes, Uint8Array.of(1, 2));
      assert.ok(received.error instanceof RangeError);
      assert.deepEqual(received.empty, {});
      assert.equal(received.deep['connection'], one);
      assert.equal(received.deep['itself'], received.deep);
      assert.equal(Object.getPrototypeOf(received), Object.prototype);
      assert.deepEqual(Object.getOwnPropertyDescriptor(received, '__proto__')!.value, [one]);
      await assertConnected(one, d);
      await assertConnected(c, other);
      one.close();
      other.close();
    }
  },

  async 'a descriptor'() {
    const path = join(tmpdir(), `truefork-test-${process.pid}`);
    const [ours, theirs] = Pipe();
    const child = started(() => {
      const file = theirs.recvSync() as DupFd;
      assert.ok(file instanceof DupFd);
      const fd = file.detach();
      assert.throws(() => file.detach(), CLOSED);
      file.close();
      write(fd, Buffer.from('written by the child'));
    });
    const fd = openSync(path, 'w');
    const file = new DupFd(fd);
    close(fd);
    assert.equal(inspect(file), `DupFd(${file.fileno()})`);
    await ours.send(file);
    file.close();
    file.close();
    assert.equal(inspect(file), 'DupFd(closed)');
    assert.throws(() => file.fileno(), CLOSED);
    await assert.rejects(ours.send(file), CLOSED);
    await assertGood(child);
    assert.equal(readFileSync(path, 'utf8'), 'written by the child');
    rmSync(path);
    assert.throws(() => new DupFd(2 ** 30), { code: 'EBADF', syscall: 'dup' });
    assert.throws(() => new DupFd('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
  },

  async 'a socket of Node'() {
    const [server, port] = await listening();
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      ours.close();
      const socket = (await theirs.recv()) as Socket;
      socket.write('from the child ');
      for await (const data of socket) socket.end(String(data).toUpperCase());
    });
    const client = connect(port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    await ours.send(socket);
    socket.destroy();
    client.end('and back');
    assert.equal(await textOf(client), 'from the child AND BACK');
    await assertGood(child);
    server.close();
  },

  async 'a server of Node: both serve'() {
    const [server, port] = await listening();
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      const { server: received } = (await theirs.recv()) as { server: Server };
      assert.equal(received.listening, true);
      assert.equal((received.address() as { port: number }).port, port);
      const [socket] = (await once(received, 'connection')) as [Socket];
      socket.end('by the child');
      received.close();
    });
    await ours.send({ server });
    server.close();
    assert.equal(await textOf(connect(port, '127.0.0.1')), 'by the child');
    await assertGood(child);
  },

  async 'what cannot be sent, and why'() {
    const [a, b] = Pipe();
    const [c] = Pipe();
    const closed = Pipe()[0];
    closed.close();
    await assert.rejects(a.send(closed), CLOSED);
    assert.throws(() => a.sendSync([{ closed }]), CLOSED);
    const waiting = c.recv(10_000);
    await assert.rejects(a.send(c), NOT_SHAREABLE);
    c.close();
    await assert.rejects(waiting, CLOSED);
    const [half, fd] = ((): [Connection, number] => {
      const [near, far] = socketpair();
      return [new Connection(near), far];
    })();
    write(fd, Buffer.from([0, 0]));
    await assert.rejects(half.recv(1), { code: 'ERR_TRUEFORK_TIMEOUT' });
    await assert.rejects(a.send(half), NOT_SHAREABLE);
    const idle = createServer();
    await assert.rejects(a.send(idle), { code: 'ERR_TRUEFORK_CLOSED', message: /must listen/ });
    await assert.rejects(a.send({ fn: () => {}, b }), {
      code: 'ERR_TRUEFORK_NOT_CLONABLE',
      message: /could not be cloned/,
    });
    await assert.rejects(a.send([b, new URL('http://localhost')]), {
      code: 'ERR_TRUEFORK_NOT_CLONABLE',
      message: /URL/,
    });
    // Nothing of all that has gone out.
    a.sendSync('next');
    assert.equal(b.recvSync(), 'next');
  },

  async 'through TCP nothing of that can be sent'() {
    using listener = new Listener(['localhost', 0], { authkey: KEY });
    const [a, b] = await connected(listener, KEY);
    const [c] = Pipe();
    await assert.rejects(a.send(c), { ...NOT_SHAREABLE, message: /TCP/ });
    assert.throws(() => a.sendSync({ c }), { ...NOT_SHAREABLE, message: /TCP/ });
    await assertConnected(a, b);
  },

  async 'through a simplex pipe, by a thread of the sender'() {
    const before = countDescriptors();
    const [reader, writer] = Pipe(false);
    const child = started(async () => {
      reader.close();
      const [a, b] = Pipe();
      const [c, d] = Pipe();
      await writer.send({ a, d });
      writer.sendSync(c);
      a.close();
      d.close();
      for (let i = 0; i < 2; i++) assert.equal(await b.recv(), i);
      c.close();
      await assert.rejects(b.recv(), EOF);
    });
    writer.close();
    const { a, d } = (await reader.recv()) as Record<string, Connection>;
    const c = reader.recvSync() as Connection;
    await a!.send(0);
    c.sendSync('to d');
    assert.equal(d!.recvSync(), 'to d');
    a!.sendSync(1);
    a!.close();
    await assertGood(child);
    for (const end of [c, d!, reader]) end.close();
    await until(() => countDescriptors() <= before);
  },

  async 'the sender answers although it is busy'() {
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      const [a, b] = Pipe();
      writer.sendSync(a);
      // Blocks until the other side has it.
      assert.equal(b.recvSync(), 'now');
    });
    const received = reader.recvSync() as Connection;
    received.sendSync('now');
    await assertGood(child);
  },

  async 'by the thread many times, with many descriptors'() {
    const [reader, writer] = Pipe(false);
    const [a, b] = Pipe();
    writer.sendSync(a);
    assert.ok(reader.recvSync() instanceof Connection);
    const before = countDescriptors();
    for (let i = 0; i < 200; i++) {
      writer.sendSync([a, b]);
      const received = (await reader.recv()) as [Connection, Connection];
      await assertConnected(...received);
      for (const end of received) end.close();
    }
    const list = Array.from({ length: 600 }, () => a);
    writer.sendSync([a, ...list]);
    assert.equal((reader.recvSync() as Connection[]).length, 601);
    const pairs = Array.from({ length: 300 }, () => Pipe());
    writer.sendSync(pairs.map(([near]) => near));
    const received = reader.recvSync() as Connection[];
    for (const [i, [near, far]] of pairs.entries()) {
      far.sendSync(i);
      assert.equal(received[i]!.recvSync(), i);
      for (const end of [near, far, received[i]!]) end.close();
    }
    await until(() => countDescriptors() <= before + 2);
  },

  async 'a sender that has ended'() {
    const [reader, writer] = Pipe(false);
    const child = started(() => {
      writer.sendSync(Pipe());
      writer.sendSync('plain');
    });
    await assertGood(child);
    const lost = misuse(
      'HANDLE_LOST',
      'what came with this message is gone: its sender has ended, or it was received before',
    );
    await assert.rejects(reader.recv(), lost);
    assert.equal(await reader.recv(), 'plain');
    writer.sendSync(writer);
    const bytes = reader.recvBytesSync();
    const [a, b] = Pipe();
    a.sendBytesSync(bytes);
    assert.ok(b.recvSync() instanceof Connection);
    a.sendBytesSync(bytes);
    assert.throws(() => b.recvSync(), lost);
  },

  async 'what could not be sent is not kept'() {
    const [reader, writer] = Pipe(false);
    writer.sendSync(writer);
    assert.ok(reader.recvSync() instanceof Connection);
    const [a, b] = Pipe();
    const before = countDescriptors();
    for (let i = 0; i < 10; i++) {
      assert.throws(() => writer.sendSync([a, new URL('http://localhost')]), /URL/);
    }
    await until(() => countDescriptors() <= before);
    reader.close();
    for (let i = 0; i < 10; i++) {
      await assert.rejects(writer.send(a), { code: 'EPIPE' });
      assert.throws(() => writer.sendSync(a), { code: 'EPIPE' });
    }
    await until(() => countDescriptors() <= before);
    b.close();
  },

  async 'a fork while they are kept'() {
    const [reader, writer] = Pipe(false);
    const [a, b] = Pipe();
    writer.sendSync(a);
    a.close();
    // It has no copy of what is kept here, and a thread of its own when it needs one.
    const child = started(async () => {
      b.close();
      const [c, d] = Pipe();
      const [near, far] = Pipe(false);
      far.sendSync(c);
      await assertConnected(near.recvSync() as Connection, d);
      writer.sendSync('ready');
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
    const received = (await reader.recv()) as Connection;
    assert.equal(await reader.recv(), 'ready');
    await assertConnected(received, b);
    received.close();
    await assert.rejects(b.recv(), EOF);
    child.kill();
    await child.join();
  },

  async 'forks in a loop while others fetch'() {
    const [reader, writer] = Pipe(false);
    const fetching = started(() => {
      writer.close();
      for (;;) {
        const received = reader.recvSync() as Connection | null;
        if (received === null) return;
        received.sendSync('hello');
        received.close();
      }
    });
    for (let i = 0; i < 30; i++) {
      const [a, b] = Pipe(false);
      writer.sendSync(b);
      b.close();
      const child = started(() => a.close());
      assert.equal(await a.recv(), 'hello');
      await assert.rejects(a.recv(), EOF);
      await assertGood(child);
      a.close();
    }
    writer.sendSync(null);
    await assertGood(fetching);
  },

  async 'what a function in a child gives back'() {
    const [a, b] = Pipe();
    const connection = await inChild(() => ({ b }));
    await assertConnected(connection.b, a);
    assert.notEqual(connection.b, b);
  },

  async 'read as bytes it leaves no descriptor'() {
    const [a, b] = Pipe();
    const [c, d] = Pipe();
    const before = countDescriptors();
    for (let i = 0; i < 10; i++) a.sendSync([c, d]);
    await until(() => countDescriptors() <= before);
    assert.ok(b.recvBytesSync().length > 0);
    assert.ok((await b.recvBytes()).length > 0);
    assert.ok((await b.recvBytesInto(Buffer.alloc(1000))) > 0);
    await until(() => countDescriptors() <= before);
    // Bytes that look like such a message.
    await a.sendBytes(b.recvBytesSync());
    while (await b.poll()) await b.recv().catch(() => {});
  },

  async 'bytes that refer to what did not come'() {
    const [a, b] = Pipe();
    const [c] = Pipe();
    a.sendSync([c]);
    const before = countDescriptors();
    const bytes = b.recvBytesSync();
    for (const isSync of [false, true]) {
      a.sendBytesSync(bytes);
      const error = misuse('BAD_MESSAGE', 'the message refers to what did not come');
      if (isSync) assert.throws(() => b.recvSync(), error);
      else await assert.rejects(b.recv(), error);
    }
    await until(() => countDescriptors() <= before);
  },

  async 'descriptors that are not what the message says'() {
    const [a, b] = Pipe();
    const [server] = await listening();
    const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
    const [accepted] = (await once(server, 'connection')) as [Socket];
    const bytesOf = async (value: unknown): Promise<Buffer> => {
      a.sendSync(value);
      return b.recvBytes();
    };
    const messages = [await bytesOf(server), await bytesOf(accepted)];
    const [reader, writer] = pipe();
    const wrong = [
      [messages[0]!, [reader, writer, socketOf(accepted)]],
      [messages[1]!, [reader, socketOf(server)]],
    ] as const;
    const before = countDescriptors();
    for (const [message, fds] of wrong) {
      for (const fd of fds) {
        const frame = Buffer.alloc(4 + message.length);
        frame.writeInt32BE(message.length);
        message.copy(frame, 4);
        assert.equal(sendFds(a.fileno(), [fd], frame), frame.length);
        await assert.rejects(b.recv(), { code: 'ERR_TRUEFORK_BAD_MESSAGE' });
      }
    }
    await until(() => countDescriptors() <= before);
    for (const end of [socket, accepted]) end.destroy();
    server.close();

    function socketOf(object: Socket | Server): number {
      return (object as unknown as { _handle: { fd: number } })._handle.fd;
    }
  },

  async 'what waits to be sent may be closed meanwhile'() {
    const before = countDescriptors();
    const [a, b] = Pipe();
    const big = a.sendBytes(pattern(3 * MB));
    const [c, d] = Pipe();
    const sending = [a.send(c), a.send({ c })];
    c.close();
    const late = Pipe();
    const given = a.send(late[0], 1);
    late[0].close();
    await assert.rejects(given, { code: 'ERR_TRUEFORK_TIMEOUT' });
    await assert.rejects(late[1].recv(), EOF);
    await b.recvBytes();
    await big;
    const received = [await b.recv(), await b.recv()] as [Connection, { c: Connection }];
    await Promise.all(sending);
    await assertConnected(received[0], d);
    await assertConnected(d, received[1].c);
    for (const end of [a, b, d, late[1], received[0], received[1].c]) end.close();
    await until(() => countDescriptors() <= before);
  },

  async 'nobody is there to receive it'() {
    const before = countDescriptors();
    const [a, b] = Pipe();
    const [c, d] = Pipe();
    a.sendSync(c);
    c.close();
    b.close(); // with it in its hands
    await assert.rejects(d.recv(), EOF);
    await assert.rejects(a.send(d), { code: 'EPIPE' });
    a.close();
    d.close();
    await until(() => countDescriptors() <= before);
  },

  async 'a receiver that is killed with it, before or after it has received it'() {
    const before = countDescriptors();
    for (const isReceived of [false, true]) {
      const [ours, theirs] = Pipe();
      const child = new Process({
        target: async () => {
          ours.close();
          if (isReceived) {
            const connection = (await theirs.recv()) as Connection;
            await connection.send('got it');
          }
          setInterval(() => {}, 1000);
        },
      });
      child.start();
      theirs.close();
      const [a, b] = Pipe();
      ours.sendSync(b);
      b.close();
      if (isReceived) assert.equal(await a.recv(), 'got it');
      child.kill();
      await child.join();
      await assert.rejects(a.recv(), EOF);
      a.close();
      ours.close();
    }
    await until(() => countDescriptors() <= before);
  },

  async 'hundreds in one message'() {
    const before = countDescriptors();
    const [a, b] = Pipe();
    const pairs = Array.from({ length: 300 }, () => Pipe());
    const sending = a.send(pairs.map(([near]) => near));
    const received = (await b.recv()) as Connection[];
    await sending;
    for (const [near] of pairs) near.close();
    for (const [i, [, far]] of pairs.entries()) {
      far.sendSync(i);
      assert.equal(received[i]!.recvSync(), i);
      far.close();
      received[i]!.close();
    }
    a.close();
    b.close();
    await until(() => countDescriptors() <= before);
  },

  async 'no room for it in the receiver'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      if (spawnSync('prlimit', ['--pid', `${process.pid}`, '--nofile=100:']).status !== 0) return;
      const plugs: number[] = [];
      assert.throws(() => {
        for (;;) plugs.push(dup(0));
      });
      await assert.rejects(theirs.recv(), { code: 'EMFILE' });
      for (const plug of plugs) close(plug);
      // The connection goes on.
      const [a] = (await theirs.recv()) as [Connection];
      assert.equal(await a.recv(), 'hello');
    });
    const [a, b] = Pipe();
    await ours.send([b, b, b]);
    await ours.send([b]);
    a.sendSync('hello');
    await assertGood(child);
  },

  async 'a fork while it waits to be sent'() {
    const [a, b] = Pipe();
    const big = a.sendBytes(pattern(3 * MB));
    const [c, d] = Pipe();
    const sending = a.send(c);
    c.close();
    await turn();
    const child = started(async () => {
      b.close();
      d.close();
      await assert.rejects(a.send(1), { code: 'ERR_TRUEFORK_TRUNCATED' });
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
    await b.recvBytes();
    await big;
    const received = (await b.recv()) as Connection;
    await sending;
    received.close();
    // The child has no copy of what its parent is sending.
    await until(() => d.pollSync());
    await assert.rejects(d.recv(), EOF);
    child.kill();
    await child.join();
  },

  async 'a thousand times'() {
    const [ours, theirs] = Pipe();
    const child = started(async () => {
      ours.close();
      const before = countDescriptors();
      for (let i = 0; i < 1000; i++) {
        const connection = (await theirs.recv()) as Connection;
        connection.sendSync(i);
        connection.close();
      }
      await until(() => countDescriptors() <= before);
    });
    theirs.close();
    const before = countDescriptors();
    for (let i = 0; i < 1000; i++) {
      const [reader, writer] = Pipe(false);
      await ours.send(writer);
      writer.close();
      assert.equal(await reader.recv(), i);
      reader.close();
    }
    await until(() => countDescriptors() <= before);
    await assertGood(child);
  },

  async 'a pipe and a terminal are what they are'() {
    const [a, b] = Pipe();
    const [reader, writer] = pipe();
    a.sendSync([new DupFd(reader), new DupFd(writer)]);
    const [first, second] = b.recvSync() as [DupFd, DupFd];
    write(second.fileno(), Buffer.from('through'));
    const buffer = Buffer.alloc(10);
    assert.equal(buffer.toString('utf8', 0, read(first.fileno(), buffer)), 'through');
    const name = abstractName();
    using listener = new Listener(name);
    const [c] = await Promise.all([listener.accept(), Client(name)]);
    a.sendSync(c);
    assert.ok(b.recvSync() instanceof Connection);
  },
};
