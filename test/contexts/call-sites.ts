// Call sites that an asynchronous program can bring itself into. Each calls its
// argument once, and returns when it has.
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createContext, runInNewContext } from 'node:vm';
import { Process } from 'truefork';
import { sleep } from '../support/observe.js';

type CallSite = (call: () => void) => Promise<void>;

/** Makes a call site of a function that is given a callback. */
function callback(schedule: (callback: () => void) => void): CallSite {
  return (call) =>
    new Promise((resolve) => {
      schedule(() => {
        call();
        resolve();
      });
    });
}

async function asyncFunction(call: () => void): Promise<void> {
  await sleep(1);
  await (async () => {
    await sleep(0);
    call();
  })();
}

async function setIntervalSite(call: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    let turn = 0;
    const interval = setInterval(() => {
      if (++turn === 2) call();
      if (turn < 4) return;
      clearInterval(interval);
      resolve();
    }, 2);
  });
}

/** More jobs of the thread pool are done in the same turn. */
async function fsCallback(call: () => void): Promise<void> {
  let isFirst = true;
  const read = (): Promise<void> =>
    new Promise((resolve) => {
      readFile(new URL(import.meta.url), () => {
        if (isFirst) {
          isFirst = false;
          call();
        }
        resolve();
      });
    });
  const reads = Array.from({ length: 20 }, read);
  // Let several be done before the loop looks at them.
  const end = Date.now() + 20;
  while (Date.now() < end);
  await Promise.all(reads);
}

/** More sockets have data in the same turn: none of it may be lost to the child. */
async function netData(call: () => void): Promise<void> {
  const server = createServer((socket) => void socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  for (let i = 0; i < 6; i++) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    sockets.push(socket);
  }
  let isFirst = true;
  const replies = sockets.map(async (socket, i) => {
    socket.write(`hello ${i}`);
    const [data] = (await new Promise((resolve) => {
      socket.once('data', (received) => {
        if (isFirst) {
          isFirst = false;
          call();
        }
        resolve([received]);
      });
    })) as [Buffer];
    assert.equal(String(data), `hello ${i}`);
  });
  const end = Date.now() + 20;
  while (Date.now() < end);
  await Promise.all(replies);
  for (const socket of sockets) socket.destroy();
  server.close();
}

async function httpHandler(call: () => void): Promise<void> {
  const server = createHttpServer((_, response) => {
    call();
    response.end('served by the parent');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [response] = await once(get(`http://127.0.0.1:${port}`), 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  assert.equal(body, 'served by the parent');
  server.close();
  server.closeAllConnections();
}

async function reviver(call: () => void): Promise<void> {
  const emitter = new EventEmitter();
  emitter.on('event', call);
  const parsed: unknown = JSON.parse('{"a":[1,2,3]}', (key, value: unknown) => {
    if (key !== 'a') return value;
    return (value as number[]).map((item, index) => {
      if (index === 1) emitter.emit('event');
      return item * 2;
    });
  });
  assert.deepEqual(parsed, { a: [2, 4, 6] });
}

async function classStaticBlock(call: () => void): Promise<void> {
  class WithBlock {
    static done = false;
    static {
      call();
      this.done = true;
    }
  }
  assert.ok(WithBlock.done);
}

async function dynamicImport(call: () => void): Promise<void> {
  Object.assign(globalThis, { callFromModule: call });
  const module = 'data:text/javascript,globalThis.callFromModule()';
  await import(module);
}

async function finallyBlock(call: () => void): Promise<void> {
  let caught: unknown;
  try {
    try {
      throw new Error('thrown before the fork');
    } finally {
      call();
    }
  } catch (error) {
    caught = error;
  }
  assert.equal((caught as Error).message, 'thrown before the fork');
}

async function generator(call: () => void): Promise<void> {
  function* numbers(): Generator<number> {
    yield 1;
    call();
    yield 2;
  }
  assert.deepEqual([...numbers()], [1, 2]);
}

async function vmContext(call: () => void): Promise<void> {
  assert.equal(runInNewContext('call(); 6 * 7', createContext({ call })), 42);
}

async function signalHandler(call: () => void): Promise<void> {
  const handled = new Promise<void>((resolve) => {
    process.once('SIGHUP', () => {
      call();
      resolve();
    });
  });
  process.kill(process.pid, 'SIGHUP');
  // To listen for a signal keeps nothing alive.
  const timer = setInterval(() => {}, 1000);
  await handled;
  clearInterval(timer);
}

/** Three generations further down, whose ends are checked on the way back. */
async function nestedChild(call: () => void): Promise<void> {
  call();
  const descend = async (depth: number): Promise<void> => {
    if (depth === 0) return;
    const child = new Process({
      target: async () => {
        await sleep(1);
        await descend(depth - 1);
        process.exitCode = depth;
      },
    });
    child.start();
    assert.equal(await child.join(), depth);
  };
  await descend(4);
}

async function beforeExitMicrotask(call: () => void): Promise<void> {
  // The loop has ended, and a promise job finds that there is more to do.
  await new Promise<void>((resolve) => {
    process.once('beforeExit', () => {
      setImmediate(() => {
        call();
        resolve();
      });
    });
  });
}

export const callSites: Record<string, CallSite> = {
  'async function': asyncFunction,
  'promise job': (call) => Promise.resolve().then(call),
  'process.nextTick': callback((done) => process.nextTick(done)),
  queueMicrotask: callback((done) => queueMicrotask(done)),
  setTimeout: callback((done) => setTimeout(done, 2)),
  setInterval: setIntervalSite,
  setImmediate: callback((done) => setImmediate(done)),
  'fs callback': fsCallback,
  'net data callback': netData,
  'http handler': httpHandler,
  'EventEmitter in map in a JSON reviver': reviver,
  'class static block': classStaticBlock,
  'dynamic import': dynamicImport,
  finally: finallyBlock,
  generator,
  'vm.runInNewContext': vmContext,
  'signal handler': signalHandler,
  'nested children': nestedChild,
  'setImmediate after beforeExit': beforeExitMicrotask,
};
