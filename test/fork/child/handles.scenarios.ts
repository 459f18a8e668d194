// The handles that are open in the parent: they do not keep the child alive, and not
// all can be inherited.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, watch, writeFileSync } from 'node:fs';
import { Agent, createServer as createHttpServer } from 'node:http';
import { connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { MessageChannel } from 'node:worker_threads';
import { type Inheritable, Process } from 'truefork';
import { pipe } from 'truefork/posix';
import { countDescriptors, sleep } from '../../support/observe.js';
import type { Scenarios } from '../../support/scenarios.js';
import { connected, hang, inScratch, serve, started, stop, succeeds } from './support.js';

/** Handles that keep an event loop alive until they are closed. Each returns what closes it. */
const FOR_EVER: Record<string, () => (() => unknown) | Promise<() => unknown>> = {
  interval() {
    const interval = setInterval(() => {}, 1);
    return () => clearInterval(interval);
  },
  'busy immediates'() {
    let immediate: NodeJS.Immediate;
    const again = (): void => void (immediate = setImmediate(again));
    again();
    return () => clearImmediate(immediate);
  },
  async server() {
    const { server } = await serve();
    return () => stop(server);
  },
  'server on a path': () =>
    inScratch(async (directory) => {
      const path = join(directory, 'socket');
      const server = createServer((socket) => socket.end('served')).listen(path);
      await once(server, 'listening');
      return async () => {
        assert.equal(await text(connect(path)), 'served');
        server.close();
      };
    }),
  async socket() {
    const { near, far, server } = await connected();
    near.resume();
    return async () => {
      far.end('still there');
      assert.equal(await text(near), 'still there');
      server.close();
    };
  },
  async 'datagram socket'() {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return () => socket.close();
  },
  'message port'() {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', () => {});
    return () => port2.close();
  },
  'file watcher': () =>
    inScratch((directory) => {
      const watcher = watch(directory);
      return async () => {
        const changed = once(watcher, 'change');
        writeFileSync(join(directory, 'new'), '');
        await changed;
        watcher.close();
        // Out of the watcher's callback: forks in there have a test of their own.
        await sleep(1);
      };
    }),
  'signal listener'() {
    process.on('SIGUSR2', () => {});
    return () => process.removeAllListeners('SIGUSR2');
  },
  'running program'() {
    const program = exec('exec sleep 20');
    return () => program.kill();
  },
  'reader of a pipe'() {
    const [reader, writer] = pipe();
    const stream = new Socket({ fd: reader }).resume();
    return async () => {
      closeSync(writer);
      await once(stream, 'close');
    };
  },
};

export const scenarios: Scenarios = {
  async 'what keeps the parent alive does not keep the child alive'() {
    for (const [name, begin] of Object.entries(FOR_EVER)) {
      const end = await begin();
      await succeeds(() => {});
      await succeeds(() => sleep(1));
      await succeeds(() => succeeds(() => {}));
      await end();
      assert.equal(process.exitCode, undefined, name);
    }
    const ends = await Promise.all(Object.values(FOR_EVER).map(async (begin) => begin()));
    await succeeds(() => {});
    await succeeds(() => succeeds(() => {}));
    for (const end of ends) await end();
  },

  async 'a fork in the callback of a file watcher'() {
    await inScratch(async (directory) => {
      for (const closes of [false, true]) {
        const watcher = watch(directory);
        const changed = new Promise<Process>((resolve) => {
          watcher.once('change', () => {
            if (closes) watcher.close();
            resolve(started(() => sleep(1)));
          });
        });
        writeFileSync(join(directory, String(closes)), '');
        assert.equal(await (await changed).join(), 0);
        watcher.close();
      }
    });
  },

  async 'what cannot be inherited is a clear error'() {
    const before = countDescriptors();
    const refused = (object: unknown, expected: object): void => {
      const child = new Process({ target: hang, inherit: [object as Inheritable] });
      assert.throws(() => child.start(), expected);
      assert.equal(child.pid, null);
    };
    const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    for (const object of ['x', null, undefined, true, Symbol('x'), () => {}])
      refused(object, invalid);
    const closed = { name: 'ProcessError', code: 'ERR_TRUEFORK_CLOSED' };
    refused(createServer(), closed);
    refused(createHttpServer(), closed);
    refused(new Socket(), closed);
    refused(createSocket('udp4'), closed);
    const { server } = await serve();
    stop(server);
    refused(server, closed);
    await succeeds(() => {});
    assert.equal(countDescriptors(), before);
  },

  async 'inherit: things that are neither servers nor sockets'() {
    const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    for (const object of [{}, [], new Map(), Promise.resolve(), new Agent(), Buffer.alloc(1)]) {
      const child = new Process({ target: hang, inherit: [object as unknown as Inheritable] });
      assert.throws(() => child.start(), invalid);
    }
  },

  async 'inherit: a descriptor that is not open'() {
    const child = new Process({ target: () => {}, inherit: [987] });
    assert.throws(() => child.start(), { code: 'EBADF' });
  },
};
