// A connection ends when the parent ends it, whatever children are alive.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { Process } from 'truefork';
import { sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';
import { listen, portOf, received, socketPath } from './serving.js';

/** A child that is alive while `meanwhile` runs. */
async function withChild(
  meanwhile: () => Promise<void>,
  target: () => unknown = () => sleep(50_000),
): Promise<void> {
  const child = new Process({ target });
  child.start();
  await meanwhile();
  child.kill();
  assert.equal(await child.join(), -9);
}

interface Connection {
  client: Socket;
  served: Socket;
}

async function accept(server: Server, client: Socket): Promise<Connection> {
  const [served] = (await once(server, 'connection')) as [Socket];
  return { client, served };
}

/** Runs `check` with connections of both kinds. */
async function onBoth(check: (server: Server, dial: () => Socket) => Promise<void>): Promise<void> {
  const options = { allowHalfOpen: true };
  const tcp = await listen(createServer(options));
  const port = portOf(tcp);
  await check(tcp, () => connect({ port, host: '127.0.0.1', ...options }));
  const unix = await listen(createServer(options), socketPath());
  await check(unix, () => connect({ path: socketPath(), ...options }));
  tcp.close();
  unix.close();
}

/** Both directions of it are at their end. */
async function assertClosed({ client, served }: Connection): Promise<void> {
  assert.equal(await received(client), '');
  client.end();
  if (!client.closed) await once(client, 'close');
  if (!served.closed) await once(served, 'close');
}

export const scenarios: Scenarios = {
  'the peer sees the end of a connection that the parent ends': () =>
    onBoth(async (server, dial) => {
      const connection = await accept(server, dial());
      await withChild(async () => {
        connection.served.resume().end();
        await assertClosed(connection);
      });
    }),

  'the peer sees the end of a connection that the parent destroys': () =>
    onBoth(async (server, dial) => {
      const connection = await accept(server, dial());
      await withChild(async () => {
        connection.served.destroy();
        await assertClosed(connection);
      });
    }),

  'the parent sees the end of a connection that the peer ends, and can still answer': () =>
    onBoth(async (server, dial) => {
      const { client, served } = await accept(server, dial());
      await withChild(async () => {
        client.end('question');
        assert.equal(await received(served), 'question');
        served.end('answer');
        assert.equal(await received(client), 'answer');
      });
    }),

  'a child that is started while a connection is half closed changes nothing': () =>
    onBoth(async (server, dial) => {
      const { client, served } = await accept(server, dial());
      client.end('question');
      assert.equal(await received(served), 'question');
      await withChild(async () => {
        served.end('answer');
        assert.equal(await received(client), 'answer');
      });
    }),

  "a connection that is begun before the fork and accepted after it is the parent's": () =>
    onBoth(async (server, dial) => {
      const client = dial();
      await withChild(async () => {
        const connection = await accept(server, client);
        connection.served.destroy();
        await assertClosed(connection);
      });
    }),

  'a connection that is accepted while a child is alive is unknown to the child': () =>
    onBoth(async (server, dial) => {
      await withChild(async () => {
        const connection = await accept(server, dial());
        connection.served.destroy();
        await assertClosed(connection);
      });
    }),

  'whatever a child does to a connection of its parent, neither side hears of it': () =>
    onBoth(async (server, dial) => {
      const { client, served } = await accept(server, dial());
      const spoil = (socket: Socket): void => {
        socket.on('error', () => {}).on('data', () => {});
        socket.write('from the child');
        socket.end();
      };
      const writes = new Process({ target: () => [client, served].forEach(spoil) });
      const destroys = new Process({
        target: () => [client, served].forEach((socket) => socket.destroy()),
      });
      for (const child of [writes, destroys]) {
        child.start();
        assert.equal(await child.join(), 0);
      }
      client.end('question');
      assert.equal(await received(served), 'question');
      served.end('answer');
      assert.equal(await received(client), 'answer');
    }),

  'what the parent has written and not got rid of is sent once': () =>
    onBoth(async (server, dial) => {
      const { client, served } = await accept(server, dial());
      const sent = 'much more than the buffers of a socket hold;'.repeat(200_000);
      served.end(sent);
      await withChild(async () => assert.ok((await received(client)) === sent));
      client.end();
    }),

  async 'a program sees the end of its input when the parent closes it'() {
    for (const close of ['end', 'destroy'] as const) {
      const cat = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
      await withChild(async () => {
        const ended = once(cat, 'exit');
        cat.stdin[close]();
        assert.equal(await text(cat.stdout), '');
        assert.deepEqual(await ended, [0, null]);
      });
    }
  },
};
