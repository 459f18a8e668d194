// Servers and sockets of the parent that a child does not inherit look closed there.
import assert from 'node:assert/strict';
import { fork as forkNode, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import type { Process } from 'truefork';
import type { Scenarios } from '../../support/scenarios.js';
import { connected, inScratch, parent, serve, started, stop, succeeds } from './support.js';

interface Refusal {
  code: string;
}

function closed(server: Server): Promise<Refusal | undefined> {
  return new Promise((resolve) => server.close((error) => resolve(error as Refusal | undefined)));
}

async function listening(server: Server): Promise<void> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
}

async function assertListensAnew(server: Server): Promise<void> {
  assert.equal(server.listening, false);
  assert.equal(server.address(), null);
  assert.equal((await closed(server))?.code, 'ERR_SERVER_NOT_RUNNING');
  await listening(server);
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(server, 'connection');
  socket.destroy();
  assert.equal(await closed(server), undefined);
}

function refusal(socket: Socket): Promise<Refusal> {
  return new Promise((resolve) => socket.write('x', (error) => resolve(error as never)));
}

/** Neither destroys nor disturbs what the parent has. */
async function assertLooksClosed(socket: Socket): Promise<void> {
  const { destroyed, closed: isClosed, readyState, writable, readable } = socket;
  assert.deepEqual(
    { destroyed, isClosed, readyState, writable, readable },
    { destroyed: true, isClosed: true, readyState: 'closed', writable: false, readable: false },
  );
  const failed = new Promise<Error & Refusal>((resolve) =>
    socket.once('error', (error) => resolve(error as never)),
  );
  assert.equal((await refusal(socket)).code, 'ERR_TRUEFORK_NOT_INHERITED');
  assert.match((await failed).message, /parent's.*inherit/);
  socket.end();
  socket.destroy();
}

export const scenarios: Scenarios = {
  async servers() {
    const make = {
      net: createServer,
      http: () => createHttpServer(),
      http2: () => createHttp2Server(),
      tls: () => createTlsServer(),
    };
    for (const makeServer of Object.values(make)) {
      const server = makeServer();
      await listening(server);
      const { near } = await serverSide(server);
      await succeeds(() => assertListensAnew(server));
      await succeeds(() => succeeds(() => assertListensAnew(server)));
      assert.equal(server.listening, true);
      near.destroy();
      server.close();
    }
  },

  async 'a server on a path, and one without a ref'() {
    await inScratch(async (directory) => {
      const server = createServer().listen(join(directory, 'socket'));
      await once(server, 'listening');
      server.unref();
      await succeeds(async () => {
        assert.equal(server.address(), null);
        assert.equal((await closed(server))?.code, 'ERR_SERVER_NOT_RUNNING');
      });
      const socket = connect(join(directory, 'socket'));
      await once(socket, 'connect');
      socket.destroy();
      server.close();
    });
  },

  async 'an HTTP server serves anew'() {
    const { server, url } = await serve();
    assert.equal(await (await fetch(url)).text(), `${parent}/`);
    await succeeds(async () => {
      await listening(server);
      const { port } = server.address() as AddressInfo;
      assert.equal(await (await fetch(`http://127.0.0.1:${port}`)).text(), `${process.pid}/`);
      stop(server);
    });
    assert.equal(await (await fetch(url)).text(), `${parent}/`);
    stop(server);
  },

  async sockets() {
    const { near, far, server } = await connected();
    for (const socket of [near, far]) await succeeds(() => assertLooksClosed(socket));
    far.end('still there');
    const [data] = await once(near, 'data');
    assert.equal(String(data), 'still there');
    near.destroy();
    server.close();
  },

  'a socket with nobody to hear of the failure': {
    async run() {
      const { near, server } = await connected();
      const child = started(() => void near.write('x'));
      assert.equal(await child.join(), 1);
      near.destroy();
      server.close();
    },
    stderr: /cannot use this stream: it is the parent's; name its socket in `inherit`/,
  },

  async 'an inherited socket that was writing'() {
    const { near, far, server } = await connected();
    far.pause();
    near.write(Buffer.alloc(20e6));
    near.write('more');
    const child: Process = started(
      () => {
        assert.equal(near.destroyed, false);
        near.write('child');
        assert.ok(near.writableLength <= 'child'.length);
        near.unref();
        process.exit();
      },
      { inherit: [near] },
    );
    assert.equal(await child.join(), 0);
    near.destroy();
    server.close();
  },

  async 'a socket that is destroyed while it writes'() {
    const { near, far, server } = await connected();
    far.pause();
    near.write(Buffer.alloc(20e6));
    near.destroy();
    await succeeds(() => {});
    server.close();
  },

  async datagrams() {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const expected = { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' };
    await succeeds(() => {
      assert.throws(() => socket.address(), expected);
      assert.throws(() => socket.send('x', 9), expected);
      assert.throws(() => socket.close(), expected);
    });
    const closes = (): unknown => socket.close();
    await succeeds(closes, { inherit: [socket] });
    socket.close();
  },

  async 'HTTP/2 sessions'() {
    const server = createHttp2Server((_, response) => response.end('served'));
    await listening(server);
    const { port } = server.address() as AddressInfo;
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    await once(session, 'connect');
    await succeeds(async () => {
      assert.deepEqual([session.closed, session.destroyed], [true, true]);
      // Some versions throw, in others the stream fails.
      const failed = async (): Promise<unknown> => once(session.request(), 'response');
      await assert.rejects(failed, { code: 'ERR_HTTP2_INVALID_SESSION' });
    });
    const [headers] = await once(session.request(), 'response');
    assert.equal((headers as { ':status': number })[':status'], 200);
    session.destroy();
    server.close();
  },

  async 'programs of the parent'() {
    const program = spawn('cat');
    const channel = forkNode(join(import.meta.dirname, '../../support/listens.js'));
    await succeeds(async () => {
      await assertLooksClosed(program.stdin as Socket);
      assert.equal(program.kill(0), true);
      assert.equal(channel.connected, false);
      const error = await new Promise((resolve) => channel.send('x', resolve));
      assert.equal((error as Refusal).code, 'ERR_IPC_CHANNEL_CLOSED');
    });
    assert.equal(channel.connected, true);
    channel.kill();
    program.kill();
  },
};

/** A connection to `server`, which has one more now. */
async function serverSide(server: Server): Promise<{ near: Socket }> {
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await Promise.all([once(server, 'connection'), once(near, 'connect')]);
  return { near };
}
