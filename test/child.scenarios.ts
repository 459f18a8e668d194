// What a child is given of its parent's life, and what it is spared.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, exec, fork as forkProgram } from 'node:child_process';
import crypto, { pbkdf2 } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  createReadStream,
  mkdtempSync,
  openSync,
  promises as files,
  readFile,
  readFileSync,
  readSync,
  rmSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Agent, createServer as createHttpServer, get, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { MessageChannel } from 'node:worker_threads';
import { gzip } from 'node:zlib';
import { inChild, type Inheritable, Process, type ProcessOptions } from 'truefork';
import { _exit, getppid, kill, pipe } from 'truefork/posix';
import { countDescriptors, isRunning, sleep, until } from './support/observe.js';
import {
  commandOf,
  haveTerminals,
  type Program,
  startCommand,
  startOnTerminal,
  startProgram,
} from './support/programs.js';
import type { Scenarios } from './support/scenarios.js';

const parent = process.pid;
const self = new URL(import.meta.url);

type Options = Pick<ProcessOptions, 'inherit'>;

function started(target: () => unknown, options: Options = {}): Process {
  const child = new Process({ ...options, target });
  child.start();
  return child;
}

/** For checks that the child makes of itself. */
async function succeeds(target: () => unknown, options?: Options): Promise<void> {
  assert.equal(await started(target, options).join(), 0);
}

/** Until it is killed, and not longer than the test. */
function hang(): Promise<void> {
  return sleep(20_000);
}

/** Long enough for everything that the parent had under way. */
async function liveOn(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await sleep(5);
}

function inScratch<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'truefork-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return use(directory);
}

async function serve(): Promise<{ server: HttpServer; url: string; connections: () => number }> {
  let connections = 0;
  const server = createHttpServer(({ url }, response) => {
    response.end(`${process.pid}${url}`);
  });
  server.on('connection', () => connections++);
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, url, connections: () => connections };
}

function stop(server: HttpServer): void {
  server.close();
  server.closeAllConnections();
}

async function request(url: string, agent?: Agent): Promise<string> {
  const [response] = await once(get(url, { agent }), 'response');
  return text(response);
}

/** A connection of this process to itself. */
async function connected(): Promise<{ near: Socket; far: Socket; server: { close(): unknown } }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  return { near, far, server };
}

/** What can be under way when a process is forked. Each calls `come` once. */
const UNDER_WAY: Record<string, (come: () => void) => unknown> = {
  'a timeout': (come) => setTimeout(come, 1),
  'a timeout without a ref': (come) => setTimeout(come, 1).unref(),
  'an interval'(come) {
    const interval = setInterval(() => {
      clearInterval(interval);
      come();
    }, 1);
  },
  'an immediate': (come) => setImmediate(come),
  'a tick': (come) => process.nextTick(come),
  'a microtask': (come) => queueMicrotask(come),
  'a promise job': (come) => void Promise.resolve().then(come),
  'an awaited promise': async (come) => {
    await Promise.resolve();
    come();
  },
  'a pending promise': (come) => void sleep(5).then(come),
  'a loop over a stream': async (come) => {
    for await (const _ of Readable.from(['a', 'b']));
    come();
  },
  'an AbortSignal': (come) => AbortSignal.timeout(5).addEventListener('abort', come),
  'a file that is read': (come) => readFile(self, come),
  'a promise for a file': (come) => void files.readFile(self).then(come),
  'a stream of a file': (come) => createReadStream(self).resume().once('close', come),
  'a key derivation': (come) => pbkdf2('secret', 'salt', 1000, 32, 'sha256', come),
  'a compression': (come) => gzip(Buffer.alloc(100_000), come),
  'a lookup': (come) => lookup('localhost', come),
  'a program': (come) => exec('true', come),
  'a signal'(come) {
    process.once('SIGUSR2', come);
    kill(process.pid, 'SIGUSR2');
  },
  'a message'(come) {
    const { port1, port2 } = new MessageChannel();
    port1.once('message', () => {
      port1.close();
      come();
    });
    port2.postMessage('hello');
  },
  async 'bytes on a socket'(come) {
    const { near, far, server } = await connected();
    far.end('hello');
    near.once('data', () => {
      near.destroy();
      server.close();
      come();
    });
  },
  async 'a datagram'(come) {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.once('message', () => socket.close(come));
    socket.send('hello', socket.address().port, '127.0.0.1');
  },
  async 'a fetch'(come) {
    const { server, url } = await serve();
    await (await fetch(url)).text();
    stop(server);
    come();
  },
};

/** Moments at which to fork, some time after everything has begun. */
const MOMENTS: Record<string, () => Promise<unknown>> = {
  'a promise job later': async () => null,
  'a tick later': () => new Promise<void>((resolve) => process.nextTick(resolve)),
  'an immediate later': () => new Promise((resolve) => setImmediate(resolve)),
  'a timer later': () => sleep(1),
};

class Arrivals {
  readonly #counts = new Map<string, number>();

  expect(what: string): () => void {
    this.#counts.set(what, 0);
    return () => {
      if (process.pid !== parent) {
        writeSync(2, `came in the child: ${what}\n`);
        _exit(66);
      }
      this.#counts.set(what, this.#counts.get(what)! + 1);
    };
  }

  async all(): Promise<void> {
    const missing = (): string[] =>
      [...this.#counts].filter(([, count]) => count === 0).map(([what]) => what);
    await until(() => missing().length === 0).catch(() => assert.deepEqual(missing(), []));
    for (const [what, count] of this.#counts) assert.equal(count, 1, what);
  }
}

/** What keeps an event loop alive until it is closed. Each returns what closes it. */
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

const EVENTS = [
  'exit',
  'beforeExit',
  'uncaughtException',
  'uncaughtExceptionMonitor',
  'unhandledRejection',
  'rejectionHandled',
  'multipleResolves',
  'message',
  'disconnect',
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGUSR2',
  'SIGWINCH',
  'an event of its own',
];

/** Every source of random numbers, used twice. */
function randomNumbers(): string[] {
  const some = (): unknown[] => [
    Math.random(),
    crypto.randomInt(2 ** 47),
    crypto.randomUUID(),
    crypto.randomBytes(16).toString('hex'),
    crypto.randomFillSync(new Uint32Array(4)).join(),
    crypto.getRandomValues(new Uint32Array(4)).join(),
    globalThis.crypto.getRandomValues(new Uint32Array(4)).join(),
    globalThis.crypto.randomUUID(),
  ];
  return [...some(), ...some()].map(String);
}

async function randomNumbersLater(): Promise<string[]> {
  const asynchronous = [
    await new Promise<number>((resolve, reject) => {
      crypto.randomInt(2 ** 47, (error, value) => (error ? reject(error) : resolve(value)));
    }),
    await new Promise<string>((resolve, reject) => {
      crypto.randomBytes(16, (error, bytes) =>
        error ? reject(error) : resolve(bytes.toString('hex')),
      );
    }),
  ];
  return [...randomNumbers(), ...asynchronous.map(String)];
}

/** How the programs below that print are to have their stdout. */
const OUTPUTS: Record<string, (directory: string, name: string) => Promise<string>> = {
  'a socket': (_, name) => outputOf(startProgram(name)),
  'a pipe': (_, name) => outputOf(throughShell('"$@" | cat', name)),
  'a file': (directory, name) => contentsAfter(directory, (path) => toFile(path, 'w', name)),
  'a file opened to append': (directory, name) =>
    contentsAfter(directory, (path) => toFile(path, 'a', name)),
};

/** Runs a program as part of a shell command, in which it is `"$@"`. */
function throughShell(command: string, name: string): Program {
  return startCommand(['sh', '-c', command, 'sh', ...commandOf(name)]);
}

function toFile(path: string, flags: string, name: string): Program {
  const fd = openSync(path, flags);
  const program = startProgram(name, { stdio: ['ignore', fd, 'pipe'] });
  closeSync(fd);
  return program;
}

async function outputOf(program: Program): Promise<string> {
  const { code } = await program.end();
  assert.equal(program.stderr, '');
  assert.equal(code, 0);
  return program.stdout;
}

async function contentsAfter(directory: string, start: (path: string) => Program): Promise<string> {
  const path = join(directory, 'out');
  writeFileSync(path, '');
  assert.equal(await outputOf(start(path)), '');
  return readFileSync(path, 'utf8');
}

/** What the program prints, whatever its stdout is. */
function* allOutputs(name: string): Generator<[kind: string, output: Promise<string>]> {
  for (const [kind, run] of Object.entries(OUTPUTS)) {
    yield [kind, inScratch((directory) => run(directory, name))];
  }
}

const PRINTERS = 8;
const LINES = 300;

function lineOf(printer: string, number: number): string {
  return `${printer} ${number} ${'-'.repeat(number)}`;
}

/** Checks that every line is there once, whole, and in the order of its printer. */
function checkLines(output: string, printers: string[]): void {
  const lines = output.trimEnd().split('\n');
  for (const printer of printers) {
    const found = lines.filter((line) => line.startsWith(`${printer} `));
    const expected = Array.from({ length: LINES }, (_, i) => lineOf(printer, i));
    assert.deepEqual(found, expected, printer);
  }
  assert.equal(lines.length, printers.length * LINES);
}

const CHILDREN = Array.from({ length: PRINTERS }, (_, i) => `child${i}`);

const MEGABYTES = 4 * 2 ** 20;
const PIPED = Array.from({ length: 100 }, () => 'x'.repeat(100_000));
const MARK = /<child\d>/g;

function checkUnflushed(output: string): void {
  assert.deepEqual(
    output.match(MARK)?.toSorted(),
    CHILDREN.flatMap((name) => [`<${name}>`, `<${name}>`]),
  );
  assert.match(output, /P<end>$/);
  const rest = output.replaceAll(MARK, '').replace(/<end>$/, '');
  assert.equal(rest.length, MEGABYTES + 2);
  assert.equal(/[^P]/.exec(rest), null);
}

/** Whether stdout takes some of the parent's output only later. */
function isLazy(): boolean {
  return process.stdout instanceof Socket && !process.stdout.isTTY;
}

async function readLine(input: Readable): Promise<string | undefined> {
  for await (const line of createInterface({ input })) return line;
  return undefined;
}

/** Started by the scenarios, with stdio or a parent that a scenario does not have. */
const programs: Scenarios = {
  async 'a program with a channel'() {
    const targets: Record<string, () => unknown> = {
      natural: () => {},
      exit: () => process.exit(),
      killed: () => process.kill(process.pid, 'SIGKILL'),
      crashed: () => process.kill(process.pid, 'SIGABRT'),
      nested: () => succeeds(() => assert.equal(process.send, undefined)),
      // Neither may keep the child alive.
      listening: () =>
        void process.on('message', () => _exit(66)).on('disconnect', () => _exit(67)),
      checks() {
        assert.equal(process.send, undefined);
        assert.equal(process.disconnect, undefined);
        assert.equal(process.channel, undefined);
        assert.equal(process.connected, false);
        assert.equal(process.env['NODE_CHANNEL_FD'], undefined);
        assert.equal(process.listenerCount('message'), 0);
        assert.equal(process.listenerCount('disconnect'), 0);
      },
    };
    const work: Promise<unknown>[] = [];
    process.on('message', (message: { start?: string }) => {
      const { start } = message;
      if (start !== undefined) {
        const child = started(targets[start]!);
        work.push(child.join().then((exitcode) => process.send!({ start, exitcode })));
      }
      process.send!({ echo: message });
    });
    process.on('disconnect', () => console.log('disconnected'));
    await once(process, 'disconnect');
    await Promise.all(work);
  },

  async 'it prints as its children do'() {
    const children = CHILDREN.map((name) =>
      started(() => {
        for (let i = 0; i < LINES; i++) console.log(lineOf(name, i));
      }),
    );
    // One write after the other: what waits in the parent is written together, and
    // a pipe may take a part of it.
    for (let i = 0; i < LINES; i++) {
      await new Promise((resolve) => process.stdout.write(`${lineOf('parent', i)}\n`, resolve));
    }
    for (const child of children) assert.equal(await child.join(), 0);
  },

  async 'it forks with megabytes unflushed'() {
    process.stdout.write('P');
    process.stdout.write('P'.repeat(MEGABYTES));
    assert.equal(process.stdout.writableLength > 0, isLazy());
    const ends = [() => {}, () => process.exit(), () => process.kill(process.pid, 'SIGKILL')];
    const children = CHILDREN.map((name, i) =>
      started(() => {
        assert.equal(process.stdout.writableLength, 0);
        assert.equal(process.stdout.writableNeedDrain, false);
        process.stdout.write(`<${name}>`);
        console.log(`<${name}>`);
        ends[i % ends.length]!();
      }),
    );
    for (const [i, child] of children.entries()) {
      assert.equal(await child.join(), i % ends.length === 2 ? -9 : 0);
    }
    await new Promise((resolve) => process.stdout.write('P<end>', resolve));
  },

  async 'its child prints megabytes and is killed'() {
    console.log('before');
    const child = started(() => {
      process.stdout.write('C'.repeat(MEGABYTES));
      process.kill(process.pid, 'SIGKILL');
    });
    assert.equal(await child.join(), -9);
    console.log('after');
  },

  async 'it prints to nowhere'() {
    console.log('before');
    await succeeds(() => {
      console.log('in the child');
      process.stdout.write('x'.repeat(MEGABYTES));
      assert.equal(process.stdout.writableLength, 0);
    });
    console.log('after');
    console.error('done');
  },

  async 'it pipes into stdout'() {
    const source = Readable.from(PIPED);
    source.pipe(process.stdout);
    await sleep(1);
    await succeeds(async () => {
      process.stdout.write('y');
      await liveOn();
    });
    await until(() => source.readableEnded && process.stdout.writableLength === 0);
  },

  async 'its stdout is closed'() {
    // The reader is gone when it says so.
    await once(process.stdin.resume(), 'end');
    const report = (what: string): void => void writeSync(2, `${what}\n`);
    const child = started(() => {
      console.log('nobody reads this');
      process.on('exit', () => report('the console does not mind'));
    });
    assert.equal(await child.join(), 0);
    const handling = started(async () => {
      process.stdout.on('error', ({ code, syscall }: NodeJS.ErrnoException) => {
        report(`${syscall} ${code}`);
      });
      process.stdout.write('nobody reads this');
      await sleep(1);
      process.stdout.write('nor this');
    });
    assert.equal(await handling.join(), 0);
    const careless = started(() => process.stdout.write('nobody reads this'));
    assert.equal(await careless.join(), 1);
  },

  async 'it reads from a terminal'() {
    assert.equal(process.stdin.isTTY, true);
    const lines = createInterface({ input: process.stdin });
    const read: string[] = [];
    console.log('ready');
    for await (const line of lines) {
      if (line === 'end') break;
      read.push(line);
      await succeeds(async () => {
        assert.equal(process.stdin.isTTY, undefined);
        assert.equal(await text(process.stdin), '');
        console.log(`child: ${process.stdout.isTTY}`);
      });
      console.log(`read ${line}`);
    }
    console.log(`all ${read.join()}`);
    process.exit();
  },

  async 'its terminal is in raw mode'() {
    process.stdin.setRawMode(true);
    process.stdin.resume();
    await succeeds(() => {});
    await succeeds(() => process.exit());
    console.log('ready');
    const typed: string[] = [];
    for await (const data of process.stdin as AsyncIterable<Buffer>) {
      typed.push(data.toString('hex'));
      if (typed.join('').endsWith('04')) break;
    }
    console.log(`typed ${typed.join('')}`);
    process.exit();
  },
};

/** A program that child_process.fork() has started, and what it has said. */
class Peer {
  readonly process: ChildProcess;
  readonly #messages: { echo?: unknown; start?: string; exitcode?: number }[] = [];

  constructor(serialization: 'json' | 'advanced') {
    const [, ...command] = commandOf('a program with a channel');
    const [runner, ...args] = command.slice(process.execArgv.length);
    this.process = forkProgram(runner!, args, {
      serialization,
      stdio: ['ignore', 'pipe', 2, 'ipc'],
    });
    this.process.on('message', (message: object) => this.#messages.push(message));
  }

  /** Sends all of them at once, and waits for their echoes. */
  async echo(messages: object[]): Promise<void> {
    const before = this.#echoes().length;
    for (const message of messages) this.process.send(message);
    await until(() => this.#echoes().length === before + messages.length);
    assert.deepEqual(this.#echoes().slice(before), messages);
  }

  async exitcodeOf(start: string): Promise<number> {
    const find = (): { exitcode?: number } | undefined =>
      this.#messages.find((message) => message.start === start && 'exitcode' in message);
    await until(() => find() !== undefined);
    return find()!.exitcode!;
  }

  #echoes(): unknown[] {
    return this.#messages.filter((message) => 'echo' in message).map(({ echo }) => echo);
  }
}

async function disturbChannel(serialization: 'json' | 'advanced'): Promise<void> {
  const peer = new Peer(serialization);
  const ended = once(peer.process, 'exit');
  let printed = '';
  peer.process.stdout!.on('data', (data) => (printed += data));
  const starts = {
    natural: 0,
    exit: 0,
    killed: -9,
    crashed: -6,
    nested: 0,
    listening: 0,
    checks: 0,
  };
  const noise = Array.from({ length: 200 }, (_, i) => ({ number: i, text: 'x'.repeat(i * 10) }));
  for (const start of Object.keys(starts)) await peer.echo([...noise, { start }, ...noise]);
  for (const [start, exitcode] of Object.entries(starts)) {
    assert.equal(await peer.exitcodeOf(start), exitcode, start);
  }
  assert.equal(printed, '');
  peer.process.disconnect();
  assert.deepEqual(await ended, [0, null]);
  await until(() => printed === 'disconnected\n');
}

/** A target that reports what it is not given. */
function expectNoInput(): () => Promise<void> {
  return async () => {
    assert.equal(readSync(0, Buffer.alloc(10)), 0);
    assert.equal(await text(process.stdin), '');
  };
}

const INPUT = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join('');

export const tests: Scenarios = {
  async 'what is under way comes in the parent alone'() {
    for (const moment of Object.values(MOMENTS)) {
      const arrivals = new Arrivals();
      for (const [what, begin] of Object.entries(UNDER_WAY)) begin(arrivals.expect(what));
      const early = started(liveOn);
      await moment();
      const late = started(liveOn);
      await arrivals.all();
      assert.equal(await early.join(), 0);
      assert.equal(await late.join(), 0);
    }
  },

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

  async 'a fork in what follows a job of the pool, with more jobs done'() {
    const jobs = ['a file that is read', 'a promise for a file', 'a stream of a file'] as const;
    for (const job of jobs) {
      for (let round = 0; round < 20; round++) {
        const arrivals = new Arrivals();
        for (let i = 0; i < 3; i++) UNDER_WAY[job]!(arrivals.expect(`${job} ${i}`));
        await files.stat(self);
        const child = started(liveOn);
        await arrivals.all();
        assert.equal(await child.join(), 0, job);
      }
    }
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

  async 'a target that waits for what only the parent can settle'() {
    const later = sleep(50);
    const child = started(() => later);
    assert.equal(await child.join(), 13);
    await later;
  },

  async "the parent's timers are stopped, and can be started again"() {
    const fired: string[] = [];
    const timer = setTimeout((name: string) => fired.push(name), 30, 'timeout');
    const interval = setInterval(() => fired.push('interval'), 30);
    const untouched = setTimeout(() => fired.push('untouched'), 30);
    await succeeds(async () => {
      await sleep(100);
      assert.deepEqual(fired, []);
      timer.refresh();
      await until(() => fired.length > 0);
      await sleep(50);
      assert.deepEqual(fired, ['timeout']);
      // Nothing to clear is nothing to object to.
      clearTimeout(timer);
      clearTimeout(untouched);
      clearInterval(interval);
    });
    clearInterval(interval);
    await until(() => fired.includes('timeout') && fired.includes('untouched'));
    assert.equal(fired.filter((name) => name === 'timeout').length, 1);
  },

  'a timer that was started again keeps the child alive': {
    async run() {
      const timer = setTimeout(() => {
        if (process.pid !== parent) console.log('fired');
      }, 30);
      await succeeds(() => void timer.refresh());
      clearTimeout(timer);
    },
    stdout: 'fired\n',
  },

  'a fork in a timer, with others due': {
    async run() {
      let child: Process | undefined;
      const order: string[] = [];
      setTimeout(() => order.push('first'), 5);
      setTimeout(() => (child = started(() => console.log('child', order.join()))), 5);
      setTimeout(() => order.push('last'), 5);
      await until(() => order.includes('last'));
      assert.equal(await child!.join(), 0);
      assert.deepEqual(order, ['first', 'last']);
    },
    stdout: 'child first\n',
  },

  "listeners on `process` are the parent's": {
    async run() {
      const listener = (): void => {};
      for (const event of EVENTS) process.on(event, listener);
      process.on('exit', () => console.log(`exit ${process.pid === parent}`));
      process.on('beforeExit', () => console.log(`before exit ${process.pid === parent}`));
      const listening = (): string[] =>
        EVENTS.filter((event) => process.listeners(event as 'exit').includes(listener));
      await succeeds(() => assert.deepEqual(listening(), []));
      assert.deepEqual(listening(), EVENTS);
      // They work no worse than before.
      process.kill(process.pid, 'SIGUSR2');
      process.kill(process.pid, 'SIGTERM');
      await sleep(10);
      for (const event of EVENTS.filter((name) => name.startsWith('SIG'))) {
        process.removeAllListeners(event);
      }
    },
    stdout: 'before exit true\nexit true\n',
  },

  'warnings of the child are printed': {
    async run() {
      process.on('warning', () => console.log('in the parent'));
      await succeeds(() => {
        process.emitWarning('careful', { code: 'CAREFUL' });
      });
    },
    stderr: /^\(node:\d+\) \[CAREFUL\] Warning: careful\n/,
  },

  'the capture callback for uncaught exceptions is gone': {
    async run() {
      process.setUncaughtExceptionCaptureCallback(() => console.log('captured'));
      const child = started(() => {
        assert.equal(process.hasUncaughtExceptionCaptureCallback(), false);
        setImmediate(() => {
          throw new Error('in the child');
        });
      });
      assert.equal(await child.join(), 1);
      assert.equal(process.hasUncaughtExceptionCaptureCallback(), true);
      setImmediate(() => {
        throw new Error('in the parent');
      });
    },
    stdout: 'captured\n',
    stderr: /^(?=[^]*in the child)(?![^]*in the parent)/,
  },

  async 'process.exitCode is not inherited'() {
    process.exitCode = 5;
    await succeeds(() => assert.equal(process.exitCode, undefined));
    await succeeds(() => process.exit());
    await succeeds(() => succeeds(() => {}));
    assert.equal(process.exitCode, 5);
    process.exitCode = 0;
  },

  'the IPC channel of child_process.fork() is left alone': () => disturbChannel('json'),

  'the IPC channel with advanced serialization': () => disturbChannel('advanced'),

  'stdin: the parent gets every byte': {
    async run() {
      let received = '';
      let starts = 0;
      process.stdin.setEncoding('utf8');
      for await (const chunk of process.stdin) {
        received += chunk as string;
        if (starts++ < 10) await succeeds(expectNoInput());
      }
      assert.equal(received, INPUT);
      assert.ok(starts >= 3);
      await succeeds(expectNoInput());
    },
    options: { input: INPUT },
  },

  'stdin: the child does not stop the parent from reading': {
    async run() {
      const all = text(process.stdin);
      const children = Array.from({ length: 5 }, () =>
        started(async () => {
          await expectNoInput()();
          // As far as the program can tell, it is a stream like any other.
          process.stdin.pause();
          process.stdin.resume();
          await succeeds(expectNoInput());
        }),
      );
      assert.equal(await all, INPUT);
      for (const child of children) assert.equal(await child.join(), 0);
    },
    options: { input: INPUT },
  },

  'stdin: the parent reads it only later': {
    async run() {
      await succeeds(expectNoInput());
      await succeeds(() => succeeds(expectNoInput()));
      assert.equal(await text(process.stdin), INPUT);
    },
    options: { input: INPUT },
  },

  'stdin: the parent has read some lines of it': {
    async run() {
      assert.equal(await readLine(process.stdin), 'line 0');
      await succeeds(expectNoInput());
    },
    options: { input: INPUT },
  },

  "stdin: a stream of the parent's says nothing in the child": {
    async run() {
      const { stdin } = process;
      const ended = once(stdin, 'end');
      stdin.on('data', () => process.pid === parent || _exit(66));
      stdin.on('end', () => process.pid === parent || _exit(67));
      await succeeds(async () => {
        stdin.resume();
        await liveOn();
      });
      await ended;
    },
    options: { input: INPUT },
  },

  'stdin: a program that the child runs has none': {
    async run() {
      await succeeds(async () => {
        const { spawn } = await import('node:child_process');
        const program = spawn('cat', { stdio: 'inherit' });
        assert.deepEqual(await once(program, 'close'), [0, null]);
      });
      assert.equal(await text(process.stdin), INPUT);
    },
    options: { input: INPUT },
  },

  'stdin: inherited by name': {
    async run() {
      process.stdin.pause();
      const child = started(
        async () => {
          process.stdout.write(await text(process.stdin));
        },
        { inherit: [process.stdin] as unknown as Inheritable[] },
      );
      assert.equal(await child.join(), 0);
    },
    options: { input: 'for the child' },
    stdout: 'for the child',
  },

  async 'stdin: a terminal'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('it reads from a terminal');
    await program.printed(/ready/);
    for (const line of ['one', 'two', 'three']) {
      program.process.stdin!.write(`${line}\n`);
      await program.printed(new RegExp(`child: true\\s+read ${line}`));
    }
    program.process.stdin!.write('end\n');
    await program.printed(/all one,two,three/);
    assert.equal((await program.end()).code, 0);
  },

  async 'stdin: a terminal stays in raw mode'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('its terminal is in raw mode');
    await program.printed(/ready/);
    // Ctrl-C is a byte like any other.
    program.process.stdin!.write('\u0003a\u0004');
    await program.printed(/typed 036104/);
    assert.equal((await program.end()).code, 0);
  },

  async 'stdout: many print at once'() {
    for (const [kind, output] of allOutputs('it prints as its children do')) {
      checkLines(await output, ['parent', ...CHILDREN]);
      assert.ok(kind);
    }
  },

  async 'stdout: many print at once to a terminal'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('it prints as its children do');
    assert.equal((await program.end()).code, 0);
    checkLines(program.stdout.replaceAll('\r\n', '\n'), ['parent', ...CHILDREN]);
  },

  async 'stdout: what the parent had not flushed is printed once'() {
    for (const [, output] of allOutputs('it forks with megabytes unflushed')) {
      checkUnflushed((await output).replaceAll('\n', ''));
    }
  },

  async 'stdout: the same with a slow reader'() {
    const program = throughShell('"$@" | (sleep 1; cat)', 'it forks with megabytes unflushed');
    checkUnflushed((await outputOf(program)).replaceAll('\n', ''));
  },

  async 'stdout: the same on a terminal'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('it forks with megabytes unflushed');
    assert.equal((await program.end()).code, 0);
    checkUnflushed(program.stdout.replaceAll('\r\n', ''));
  },

  async 'stdout: what the child writes is out when write() returns'() {
    const expected = `before\n${'C'.repeat(MEGABYTES)}after\n`;
    const name = 'its child prints megabytes and is killed';
    for (const [kind, output] of allOutputs(name)) assert.ok((await output) === expected, kind);
    const slow = await outputOf(throughShell('"$@" | (sleep 1; cat)', name));
    assert.ok(slow === expected);
  },

  async 'stdout: /dev/null'() {
    const fd = openSync('/dev/null', constants.O_WRONLY);
    const program = startProgram('it prints to nowhere', { stdio: ['ignore', fd, 'pipe'] });
    closeSync(fd);
    assert.equal((await program.end()).code, 0);
    assert.equal(program.stderr, 'done\n');
  },

  async 'stdout: nobody reads it'() {
    const program = startProgram('its stdout is closed');
    program.process.stdout!.destroy();
    await once(program.process.stdout!, 'close');
    program.process.stdin!.end();
    assert.equal((await program.end()).code, 0);
    assert.match(
      program.stderr,
      /^the console does not mind\nwrite EPIPE\nwrite EPIPE\n(?!.*the console)[^]*Error: write EPIPE/,
    );
  },

  'stdout and stderr: before, in the child, and after': {
    async run() {
      console.log('before');
      console.error('before');
      await succeeds(() => {
        console.log('in the child');
        console.error('in the child');
        return succeeds(() => {
          console.log('in its child');
          console.error('in its child');
        });
      });
      console.log('after');
      console.error('after');
    },
    stdout: 'before\nin the child\nin its child\nafter\n',
    stderr: 'before\nin the child\nin its child\nafter\n',
  },

  'stdout: nothing was printed before the fork': {
    run: () => succeeds(() => console.log('in the child')),
    stdout: 'in the child\n',
  },

  'stdout: what the parent has corked is its own': {
    async run() {
      process.stdout.cork();
      process.stdout.write('from the parent\n');
      await succeeds(() => {
        process.stdout.write('from the child\n');
        process.stdout.cork();
        process.stdout.write('corked ');
        process.stdout.write('there\n');
        process.stdout.uncork();
      });
      process.stdout.uncork();
    },
    stdout: 'from the child\ncorked there\nfrom the parent\n',
  },

  'stdout: callbacks and listeners of the parent': {
    async run() {
      let calls = 0;
      const count = (): void => {
        assert.equal(process.pid, parent);
        calls++;
      };
      process.stdout.write('x'.repeat(MEGABYTES), count);
      process.stdout.once('drain', count);
      await succeeds(async () => {
        await new Promise((resolve) => process.stdout.write('y', resolve));
        await liveOn();
      });
      await until(() => calls === 2);
    },
    stdout: /^x*yx*$/,
  },

  async 'stdout: what the parent pipes into it'() {
    const output = await outputOf(startProgram('it pipes into stdout'));
    assert.equal(output.length, PIPED.length * PIPED[0]!.length + 1);
    assert.equal(output.replace('y', ''), PIPED.join(''));
  },

  'stdout: encodings and kinds of chunks': {
    async run() {
      await succeeds(() => {
        process.stdout.write('6869', 'hex');
        process.stdout.write(Buffer.from(' ä '));
        process.stdout.write(new Uint8Array([0x6f, 0x6b]));
        process.stdout.write(' ünï\n');
        process.stdout.write('');
        assert.throws(() => process.stdout.write(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
        assert.equal(process.stdout.fd, 1);
        assert.equal(process.stderr.fd, 2);
      });
    },
    stdout: 'hi ä ok ünï\n',
  },

  'stdout: one that the program put in its place stays': {
    async run() {
      const { Writable } = await import('node:stream');
      const written: string[] = [];
      const fake = new Writable({
        write(chunk, _, callback) {
          written.push(String(chunk));
          callback();
        },
      });
      Object.defineProperty(process, 'stdout', { value: fake, configurable: true });
      await succeeds(() => {
        process.stdout.write('kept');
        assert.deepEqual(written, ['kept']);
      });
    },
  },

  async pids() {
    assert.equal(process.pid, parent);
    await succeeds(async () => {
      const { pid } = process;
      assert.notEqual(pid, parent);
      assert.equal(process.ppid, parent);
      assert.equal(Number(readFileSync('/proc/self/stat', 'utf8').split(' ')[0]), pid);
      await succeeds(() => {
        assert.notEqual(process.pid, pid);
        assert.equal(process.ppid, pid);
        assert.equal(getppid(), pid);
      });
      assert.equal(process.pid, pid);
      // Some programs set it.
      assert.equal(Object.getOwnPropertyDescriptor(process, 'pid')!.configurable, true);
    });
    assert.equal(process.pid, parent);
  },

  async "random numbers are nobody else's"() {
    // So that there are caches, half used.
    randomNumbers();
    const family = (): Promise<string[][]> =>
      Promise.all(
        Array.from({ length: 4 }, () =>
          inChild(async () => [
            ...(await randomNumbersLater()),
            ...(await inChild(randomNumbersLater)),
            ...(await inChild(randomNumbersLater)),
            ...randomNumbers(),
          ]),
        ),
      );
    const all = [...(await family()), await randomNumbersLater(), ...(await family())].flat();
    assert.equal(new Set(all).size, all.length);
  },

  async 'Math.random() is as random as ever'() {
    const buckets = await inChild(() => {
      const counts = Array.from({ length: 10 }, () => 0);
      for (let i = 0; i < 100_000; i++) counts[Math.floor(Math.random() * 10)]!++;
      return counts;
    });
    assert.equal(buckets.length, 10);
    // Ten standard deviations.
    for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 1000, String(buckets));
  },

  async 'http: connections that an agent keeps'() {
    const { server, url, connections } = await serve();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal(await request(`${url}/1`, agent), `${parent}/1`);
    assert.equal(connections(), 1);
    for (let i = 0; i < 3; i++) {
      await succeeds(async () => {
        assert.equal(await request(`${url}/child`, agent), `${parent}/child`);
        assert.equal(await request(`${url}/child`, agent), `${parent}/child`);
        await succeeds(async () => {
          assert.equal(await request(`${url}/grandchild`, agent), `${parent}/grandchild`);
          agent.destroy();
        });
        agent.destroy();
      });
    }
    // Two connections of each child and its child, and the parent's.
    assert.equal(connections(), 7);
    assert.equal(await request(`${url}/2`, agent), `${parent}/2`);
    assert.equal(connections(), 7);
    agent.destroy();
    stop(server);
  },

  async 'http: a request of the parent that waits for its turn'() {
    const { server, url } = await serve();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answers = Array.from({ length: 5 }, (_, i) => request(`${url}/${i}`, agent));
    await succeeds(async () => {
      assert.equal(await request(`${url}/child`, agent), `${parent}/child`);
      agent.destroy();
    });
    assert.deepEqual(
      await Promise.all(answers),
      answers.map((_, i) => `${parent}/${i}`),
    );
    agent.destroy();
    stop(server);
  },

  async 'http: the global agent and fetch()'() {
    const { server, url, connections } = await serve();
    const ask = async (path: string): Promise<void> => {
      assert.equal(await request(`${url}/${path}`), `${parent}/${path}`);
      assert.equal(await (await fetch(`${url}/${path}`)).text(), `${parent}/${path}`);
    };
    await ask('before');
    const unfinished = fetch(`${url}/unfinished`);
    for (let i = 0; i < 3; i++) {
      await succeeds(async () => {
        await ask('child');
        await Promise.all([ask('a'), ask('b'), ask('c')]);
        process.exit();
      });
    }
    assert.equal(await (await unfinished).text(), `${parent}/unfinished`);
    const before = connections();
    await ask('after');
    assert.equal(connections(), before);
    stop(server);
  },

  async 'http: the Date header goes on in the child'() {
    const { server, url } = await serve();
    const dateOf = async (address: string): Promise<string> =>
      (await fetch(address)).headers.get('date')!;
    const parentsDate = await dateOf(url);
    const child = started(async () => {
      await until(() => Date.now() > Date.parse(parentsDate) + 2000);
      const own = await serve();
      assert.notEqual(await dateOf(own.url), parentsDate);
      stop(own.server);
      process.exit();
    });
    assert.equal(await child.join(), 0);
    assert.notEqual(await dateOf(url), parentsDate);
    stop(server);
  },

  async 'asynchronous context'() {
    const storage = new AsyncLocalStorage<string>();
    const other = new AsyncLocalStorage<number>();
    await succeeds(() => assert.equal(storage.getStore(), undefined));
    await storage.run('outer', async () => {
      await sleep(1);
      const child = other.run(1, () =>
        started(async () => {
          const seen = (): unknown[] => [storage.getStore(), other.getStore()];
          assert.deepEqual(seen(), ['outer', 1]);
          setTimeout(() => assert.deepEqual(seen(), ['outer', 1]), 1);
          process.nextTick(() => assert.deepEqual(seen(), ['outer', 1]));
          await storage.run('inner', async () => {
            await succeeds(() => assert.deepEqual(seen(), ['inner', 1]));
            assert.deepEqual(seen(), ['inner', 1]);
          });
          assert.deepEqual(seen(), ['outer', 1]);
          assert.equal(await inChild(() => storage.getStore()), 'outer');
        }),
      );
      assert.equal(storage.getStore(), 'outer');
      assert.equal(other.getStore(), undefined);
      assert.equal(await child.join(), 0);
      assert.equal(storage.getStore(), 'outer');
    });
  },

  async 'lookups of names while the parent is at some'() {
    const address = (): Promise<string> =>
      new Promise((resolve, reject) => {
        lookup('localhost', (error, found) => (error ? reject(error) : resolve(found)));
      });
    for (let round = 0; round < 20; round++) {
      const lookups = Array.from({ length: 50 }, address);
      await new Promise((resolve) => setImmediate(resolve));
      const child = started(async () => {
        assert.match(await address(), /^(127\.0\.0\.1|::1)$/);
        const own = await Promise.all(Array.from({ length: 20 }, address));
        assert.equal(own.length, 20);
        await succeeds(async () => void (await address()));
      });
      await Promise.all(lookups);
      assert.equal(await child.join(), 0);
    }
    assert.equal(process.env['UV_THREADPOOL_SIZE'], undefined);
  },

  async 'signals do in the child what they do by default'() {
    const got: string[] = [];
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const;
    for (const signal of signals) process.on(signal, () => got.push(signal));
    for (const signal of signals) {
      const child = started(hang);
      process.kill(child.pid!, signal);
      await child.join();
      assert.equal(child.exitSignal, signal);
    }
    const suicide = started(() => process.kill(process.pid, 'SIGTERM'));
    assert.equal(await suicide.join(), -15);
    assert.deepEqual(got, []);
    for (const signal of signals) process.kill(process.pid, signal);
    await until(() => got.length === signals.length);
    for (const signal of signals) process.removeAllListeners(signal);
  },

  'signals: the handlers of the child, and of its parent': {
    async run() {
      let answers = 0;
      process.on('SIGUSR2', () => answers++);
      process.on('SIGTERM', () => assert.fail('in the parent'));
      const child = started(async () => {
        const got: string[] = [];
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const) {
          process.on(signal, () => got.push(signal));
        }
        // Only now has it handlers.
        process.kill(process.ppid, 'SIGUSR2');
        await until(() => got.length === 3);
        process.kill(process.ppid, 'SIGUSR2');
        console.log(got.toSorted().join());
        process.removeAllListeners('SIGINT');
        // With the last listener goes the handler.
        process.kill(process.pid, 'SIGINT');
        await hang();
      });
      await until(() => answers === 1);
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR2']) process.kill(child.pid!, signal);
      await until(() => answers === 2);
      assert.equal(await child.join(), -2);
      process.removeAllListeners('SIGUSR2');
      process.removeAllListeners('SIGTERM');
    },
    stdout: 'SIGINT,SIGTERM,SIGUSR2\n',
  },

  async 'signals between siblings, of which the parent hears nothing'() {
    process.on('SIGUSR1', () => assert.fail('in the parent'));
    const first = started(() => {
      process.once('SIGUSR1', () => process.exit(7));
      return hang();
    });
    const listens = (): boolean => {
      const status = readFileSync(`/proc/${first.pid}/status`, 'utf8');
      const caught = BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(status)![1]}`);
      return (caught & (1n << 9n)) !== 0n;
    };
    await until(listens);
    const second = started(() => process.kill(first.pid!, 'SIGUSR1'));
    assert.equal(await first.join(), 7);
    assert.equal(await second.join(), 0);
    process.removeAllListeners('SIGUSR1');
  },

  async 'a stopped child goes on'() {
    const child = started(() => sleep(20).then(() => process.exit(3)));
    process.kill(child.pid!, 'SIGSTOP');
    assert.equal(await child.join(100), null);
    assert.equal(child.isAlive(), true);
    assert.equal(child.exitcode, null);
    process.kill(child.pid!, 'SIGCONT');
    assert.equal(await child.join(), 3);
  },

  'a promise that the parent rejects is not for the child to report': {
    async run() {
      const rejected = Promise.reject(new Error('handled in time'));
      const child = started(liveOn);
      await assert.rejects(rejected);
      assert.equal(await child.join(), 0);
      // One that is never handled is reported once, by the parent.
      process.on('unhandledRejection', (error) => console.log((error as Error).message));
      void Promise.reject(new Error('never handled'));
      await succeeds(liveOn);
      process.removeAllListeners('unhandledRejection');
    },
    stdout: 'never handled\n',
  },

  "unhandled rejections: the parent's listener is not asked": {
    async run() {
      process.on('unhandledRejection', () => console.log('in the parent'));
      const child = started(() => {
        void Promise.reject(new Error('of the child'));
        return hang();
      });
      assert.equal(await child.join(), 1);
    },
    stderr: /Error: of the child/,
  },

  "unhandled rejections: the child's listener is": {
    async run() {
      await succeeds(async () => {
        process.on('unhandledRejection', (error) => console.log((error as Error).message));
        void Promise.reject(new Error('of the child'));
        await sleep(1);
      });
    },
    stdout: 'of the child\n',
  },

  'unhandled rejections: --unhandled-rejections=warn': {
    async run() {
      const forgiven = Promise.reject(new Error('of the parent'));
      const child = started(async () => {
        void Promise.reject(new Error('of the child'));
        await sleep(1);
        process.exitCode = 4;
      });
      await assert.rejects(forgiven);
      assert.equal(await child.join(), 4);
    },
    options: { nodeArgs: ['--unhandled-rejections=warn'] },
    stderr: /^(?=[^]*UnhandledPromiseRejectionWarning: Error: of the child)(?![^]*of the parent)/,
  },

  'uncaught exceptions: monitors and handlers of the child': {
    async run() {
      process.on('uncaughtException', () => console.log('in the parent'));
      process.on('uncaughtExceptionMonitor', () => console.log('in the parent'));
      const child = started(() => {
        process.on('uncaughtExceptionMonitor', (error) => console.log(`monitor: ${error.message}`));
        process.on('exit', (code) => console.log(`exit ${code}`));
        setImmediate(() => {
          throw new Error('of the child');
        });
      });
      assert.equal(await child.join(), 1);
    },
    stdout: 'monitor: of the child\nexit 1\n',
    stderr: /Error: of the child/,
  },

  'uncaught exceptions: one in an exit listener': {
    async run() {
      const child = started(() => {
        process.on('exit', () => {
          throw new Error('too late');
        });
      });
      assert.equal(await child.join(), 1);
    },
    stderr: /Error: too late/,
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

  async 'the parent sees its children and they do not see each other'() {
    const first = started(hang);
    const second = started(() => assert.equal(isRunning(first.pid!), true));
    assert.equal(await second.join(), 0);
    first.kill();
    assert.equal(await first.join(), -9);
    assert.equal(isRunning(first.pid!), false);
  },
};

export const scenarios: Scenarios = { ...programs, ...tests };
