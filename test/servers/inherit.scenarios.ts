// Objects that a child is told to inherit go on working there.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, stat } from 'node:fs';
import {
  connect as connectHttp2,
  createSecureServer as createSecureHttp2Server,
  createServer as createHttp2Server,
  type ClientHttp2Session,
} from 'node:http2';
import { createServer as createHttpsServer, get as getHttps } from 'node:https';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { type Inheritable, Process } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { askWho } from './asking.js';
import { clientTls, serverTls } from './psk.js';
import { listen, portOf, received, sayWho, serveHttp, socketPath } from './serving.js';

function inheriting(inherit: Inheritable[], target: () => unknown = () => {}): Process {
  const child = new Process({ target, inherit });
  child.start();
  return child;
}

async function end(child: Process): Promise<void> {
  child.kill();
  assert.equal(await child.join(), -9);
}

function closed(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve));
}

/** A child that inherits `server` answers when its parent has closed it. `ask` says who does. */
async function assertServes(server: Server, ask: (port: number) => Promise<string>): Promise<void> {
  const port = portOf(server);
  const me = String(process.pid);
  assert.equal(await ask(port), me);
  const child = inheriting([server]);
  await closed(server);
  for (let i = 0; i < 5; i++) assert.equal(await ask(port), String(child.pid));
  await end(child);
  await assert.rejects(ask(port), { code: 'ECONNREFUSED' });
}

async function askTcp(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  return text(socket);
}

async function askHttp2(session: ClientHttp2Session): Promise<string> {
  try {
    await once(session, 'connect');
    return (await text(session.request({ ':path': '/' }))).split(' ')[0]!;
  } finally {
    session.close();
  }
}

type CallSite = (call: () => void) => Promise<void>;

function callSite(schedule: (callback: () => void) => void): CallSite {
  return (call) =>
    new Promise((resolve) => {
      schedule(() => {
        call();
        resolve();
      });
    });
}

/** In each phase of the event loop. */
const callSites: Record<string, CallSite> = {
  timer: callSite((callback) => setTimeout(callback, 1)),
  immediate: callSite((callback) => setImmediate(callback)),
  poll: callSite((callback) => stat('.', callback)),
};

function sayPid(socket: Socket): void {
  socket.on('error', () => {}).end(String(process.pid));
}

export const scenarios: Scenarios = {
  'a TCP server': async () => assertServes(await listen(createServer(sayPid)), askTcp),

  'a TLS server': async () =>
    assertServes(await listen(createTlsServer(serverTls, sayPid)), (port) =>
      text(connectTls({ port, host: '127.0.0.1', ...clientTls })),
    ),

  'an HTTP server': async () =>
    assertServes(await serveHttp(), (port) => askWho({ port, agent: false })),

  'an HTTPS server': async () =>
    assertServes(await listen(createHttpsServer(serverTls, sayWho)), async (port) => {
      const request = getHttps({ port, host: '127.0.0.1', agent: false, ...clientTls });
      const [response] = await once(request, 'response');
      return (await text(response)).split(' ')[0]!;
    }),

  'an HTTP/2 server': async () => {
    const server = createHttp2Server((request, response) => {
      response.end(`${process.pid} ${request.url}`);
    });
    await assertServes(await listen(server), (port) =>
      askHttp2(connectHttp2(`http://127.0.0.1:${port}`)),
    );
  },

  'an HTTP/2 server with TLS': async () => {
    const server = createSecureHttp2Server(serverTls, (request, response) => {
      response.end(`${process.pid} ${request.url}`);
    });
    await assertServes(await listen(server), (port) =>
      askHttp2(connectHttp2(`https://127.0.0.1:${port}`, clientTls)),
    );
  },

  async 'a server, by the number of its descriptor'() {
    const server = await serveHttp();
    const port = portOf(server);
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const child = inheriting([fd]);
    await closed(server);
    assert.equal(await askWho({ port, agent: false }), String(child.pid));
    await end(child);
  },

  async 'a Unix-socket server, whose path stays there when the child closes it'() {
    const server = await serveHttp(sayWho, socketPath());
    const ask = (): Promise<string> => askWho({ socketPath: socketPath(), agent: false });
    const child = inheriting([server], () => {
      server.on('request', (_, response) => {
        // One answer, and then no more.
        response.on('finish', () => server.close());
      });
    });
    const answers = new Set<string>();
    while (!answers.has(String(child.pid))) answers.add(await ask());
    assert.equal(await child.join(), 0);
    assert.ok(existsSync(socketPath()));
    assert.equal(await ask(), String(process.pid));
    await closed(server);
    assert.ok(!existsSync(socketPath()));
  },

  async 'a datagram socket'() {
    const socket = createSocket('udp4');
    socket.on('message', (message, { port }) =>
      socket.send(`${process.pid} ${String(message)}`, port),
    );
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const child = inheriting([socket]);
    socket.close();
    const client = createSocket('udp4');
    client.send('question', port, '127.0.0.1');
    const [answer] = await once(client, 'message');
    assert.equal(String(answer), `${child.pid} question`);
    client.close();
    await end(child);
  },

  async 'a connection, which the child answers'() {
    const server = await listen(createServer({ allowHalfOpen: true }));
    const client = connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
    const [served] = (await once(server, 'connection')) as [Socket];
    client.write('question;');
    await once(served, 'readable');
    const child = inheriting([served], async () => {
      // Bytes that the parent had read are there as well.
      assert.equal(await received(served), 'question;more;');
      served.end(`answer of ${process.pid}`);
    });
    served.destroy();
    client.end('more;');
    assert.equal(await text(client), `answer of ${child.pid}`);
    assert.equal(await child.join(), 0);
    server.close();
  },

  async 'a connection, by the number of its descriptor'() {
    const server = await listen(createServer({ allowHalfOpen: true }));
    const client = connect(portOf(server), '127.0.0.1');
    const [served] = (await once(server, 'connection')) as [Socket];
    const { fd } = (served as unknown as { _handle: { fd: number } })._handle;
    const child = inheriting([fd], () => served.end(`answer of ${process.pid}`));
    served.destroy();
    assert.equal(await text(client), `answer of ${child.pid}`);
    assert.equal(await child.join(), 0);
    server.close();
  },

  async 'a connection with TLS'() {
    const server = await listen(createTlsServer(serverTls));
    const client = connectTls({ port: portOf(server), host: '127.0.0.1', ...clientTls });
    const [served] = (await once(server, 'secureConnection')) as [Socket];
    const child = inheriting([served], () => served.end(`answer of ${process.pid}`));
    served.destroy();
    assert.equal(await text(client), `answer of ${child.pid}`);
    assert.equal(await child.join(), 0);
    server.close();
  },

  async 'only what is named'() {
    const [inherited, other] = [await serveHttp(), await serveHttp()];
    const [port, otherPort] = [portOf(inherited), portOf(other)];
    const child = inheriting([inherited]);
    await closed(inherited);
    assert.equal(await askWho({ port, agent: false }), String(child.pid));
    for (let i = 0; i < 50; i++) {
      assert.equal(await askWho({ port: otherPort, agent: false }), String(process.pid));
    }
    await closed(other);
    await assert.rejects(askWho({ port: otherPort, agent: false }), { code: 'ECONNREFUSED' });
    await end(child);
  },

  async "the parent's connections are not counted in the child"() {
    const server = await listen(createServer((socket) => void socket.resume()));
    const client = connect(portOf(server), '127.0.0.1');
    await once(server, 'connection');
    const child = inheriting([server], async () => {
      const count = await new Promise((resolve) => {
        server.getConnections((_, connections) => resolve(connections));
      });
      assert.equal(count, 0);
      // It waits for its own connections only.
      await closed(server);
    });
    assert.equal(await child.join(), 0);
    client.destroy();
    await closed(server);
  },

  async 'connections that wait while the child is started are answered'() {
    for (const [name, from] of Object.entries(callSites)) {
      const server = await serveHttp();
      const port = portOf(server);
      let child: Process;
      const answers: Promise<string>[] = [];
      await from(() => {
        for (let i = 0; i < 5; i++) answers.push(askWho({ port, agent: false }));
        // connect() is called in the next tick; they wait in the kernel from then on.
        process.nextTick(() => {
          child = inheriting([server]);
          server.close();
        });
      });
      const pids = await Promise.all(answers);
      assert.deepEqual(new Set(pids), new Set([String(child!.pid)]), name);
      await end(child!);
    }
  },

  async 'a grandchild inherits from its parent'() {
    const server = await serveHttp();
    const port = portOf(server);
    const child = inheriting([server], async () => {
      const grandchild = inheriting([server]);
      server.close();
      process.exitCode = (await grandchild.join()) ?? 99;
    });
    await closed(server);
    let who = String(child.pid);
    while (who === String(child.pid)) who = await askWho({ port, agent: false });
    process.kill(Number(who), 'SIGKILL');
    assert.equal(await child.join(), 247);
  },

  async 'what is not open cannot be inherited'() {
    const notOpen = { code: 'ERR_TRUEFORK_CLOSED' };
    const server = createServer();
    assert.throws(() => inheriting([server]), notOpen);
    await listen(server);
    const client = connect(portOf(server), '127.0.0.1');
    await once(client, 'connect');
    client.destroy();
    assert.throws(() => inheriting([client]), notOpen);
    await closed(server);
    assert.throws(() => inheriting([server]), notOpen);
    const socket = createSocket('udp4');
    assert.throws(() => inheriting([socket]), notOpen);
    socket.close();
  },
};
