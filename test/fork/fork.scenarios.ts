// fork() and the two processes that return from it.
import assert from 'node:assert/strict';
import { pbkdf2, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { _exit, close, fork, getppid, pipe, waitpid } from 'truefork/posix';
import { assertGood, failure, forked, hear, say } from '../posix/support.js';
import { children, countDescriptors, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

/** The words that the children of `act` write to the descriptor that it is given. */
function heardFrom(act: (fd: number) => void): string {
  const [reader, writer] = pipe();
  act(writer);
  close(writer);
  const words = hear(reader);
  close(reader);
  return words;
}

async function ask(server: AddressInfo): Promise<string> {
  return text(connect(server.port, server.address));
}

async function listen(reply: () => string): Promise<Server> {
  const server = createServer((socket) => socket.end(reply()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export const scenarios: Scenarios = {
  'fork() returns twice': {
    async run() {
      const { pid } = process;
      const child = fork();
      if (child === 0) {
        assert.notEqual(process.pid, pid);
        assert.equal(getppid(), pid);
        assert.equal(process.ppid, pid);
        console.log('the child');
        return;
      }
      assert.equal(process.pid, pid);
      assert.deepEqual([...children().keys()], [child]);
      assert.deepEqual(waitpid(child), {
        pid: child,
        status: 0,
        exitcode: 0,
        signal: null,
        coreDumped: false,
      });
      assert.equal(children().size, 0);
      console.log('the parent');
    },
    stdout: 'the child\nthe parent\n',
  },

  async 'what was put off is done on both sides'() {
    const done: string[] = [];
    setTimeout(() => done.push('timeout'), 1);
    setImmediate(() => done.push('immediate'));
    process.nextTick(() => done.push('tick'));
    queueMicrotask(() => done.push('microtask'));
    let turns = 0;
    const interval = setInterval(() => ++turns === 3 && clearInterval(interval), 1);
    const child = fork();
    assert.deepEqual(done, []);
    await until(() => done.length === 4 && turns === 3);
    assert.deepEqual(new Set(done), new Set(['immediate', 'microtask', 'tick', 'timeout']));
    if (child !== 0) assertGood(child);
  },

  async 'a server lives in both'() {
    const server = await listen(() => String(process.pid));
    const address = server.address() as AddressInfo;
    const inChild = fork();
    if (inChild === 0) {
      // Until the parent has asked it.
      await once(server, 'connection');
      server.close();
      return;
    }
    const inParent = await listen(() => String(process.pid));
    const other = fork();
    if (other === 0) _exit(0);
    server.close();
    assert.equal(await ask(address), String(inChild));
    assert.equal(await ask(inParent.address() as AddressInfo), String(process.pid));
    inParent.close();
    assertGood(inChild);
    assertGood(other);
  },

  async 'the thread pool works in both'() {
    const child = fork();
    assert.ok((await readFile('/proc/self/stat', 'utf8')).startsWith(`${process.pid} `));
    if (child !== 0) assertGood(child);
  },

  async 'what the thread pool was doing is done in the parent alone'() {
    let isDone = false;
    pbkdf2('secret', 'salt', 200_000, 32, 'sha256', () => (isDone = true));
    const child = fork();
    if (child === 0) {
      await readFile('/proc/self/stat');
      await sleep(1);
      assert.equal(isDone, false);
      _exit(0);
    }
    assertGood(child);
    await until(() => isDone);
  },

  async 'a child ends although the thread pool was busy in the parent'() {
    const jobs = Promise.all(
      [1, 2, 3, 4, 5, 6].map(() => promisify(pbkdf2)('secret', 'salt', 50_000, 32, 'sha256')),
    );
    const child = fork();
    if (child === 0) return;
    assertGood(child);
    await jobs;
  },

  async 'what the thread pool has done is told to the parent alone'() {
    const told: string[] = [];
    const job = stat('/proc/self').then(() => told.push('job'));
    const deadline = performance.now() + 100;
    while (performance.now() < deadline); // it is done now, and nobody has been told
    const child = fork();
    if (child === 0) {
      await sleep(20);
      assert.deepEqual(told, []);
      return;
    }
    assertGood(child);
    await job;
  },

  'both sides end with the listeners that were there': {
    async run() {
      process.on('exit', (code) => say(1, `${code}\n`));
      const child = fork();
      if (child === 0) {
        process.exitCode = 3;
        return;
      }
      assert.equal(waitpid(child)!.exitcode, 3);
    },
    stdout: '3\n0\n',
  },

  'an exception that the child does not catch is its end': {
    async run() {
      const child = fork();
      if (child === 0) {
        setImmediate(() => {
          throw new Error("the child's");
        });
        return sleep(20_000);
      }
      assert.equal(waitpid(child)!.exitcode, 1);
    },
    stderr: /Error: the child's\n/,
  },

  async 'random numbers are its own'() {
    const random = (): string =>
      `${randomUUID()} ${randomInt(2 ** 47)} ${Math.random()} ${crypto.randomUUID()}`;
    random();
    const heard = heardFrom((fd) => assertGood(forked(() => say(fd, random()))));
    const own = random().split(' ');
    for (const [index, value] of heard.split(' ').entries()) assert.notEqual(value, own[index]);
  },

  async 'children of children'() {
    const heard = heardFrom((fd) => {
      const { pid } = process;
      const child = forked(() => {
        assert.equal(getppid(), pid);
        const me = process.pid;
        const grandchild = forked(() => {
          assert.equal(getppid(), me);
          assertGood(forked(() => say(fd, 'great-grandchild ')));
          say(fd, 'grandchild ');
        });
        assert.throws(() => waitpid(pid), failure('waitpid', 'ECHILD'));
        assertGood(grandchild);
        say(fd, 'child');
      });
      assertGood(child);
    });
    assert.equal(heard, 'great-grandchild grandchild child');
  },

  async 'a fork in a fork in the loop of each'() {
    const depth = 4;
    let level = 0;
    let child = 0;
    while (level < depth && child === 0) {
      child = fork();
      if (child === 0) level++;
      await sleep(1);
    }
    if (child !== 0) assertGood(child);
  },

  '_exit() does nothing else': {
    async run() {
      process.on('exit', () => say(1, 'exit\n'));
      const child = forked(() => {
        process.on('exit', () => say(1, 'never\n'));
        process.nextTick(() => say(1, 'never\n'));
        _exit(4);
      });
      assert.equal(waitpid(child)!.exitcode, 4);
    },
    stdout: 'exit\n',
  },

  async 'an orphan has another parent'() {
    const heard = heardFrom((fd) => {
      const child = forked(() => {
        const { pid } = process;
        forked(() => {
          while (getppid() === pid);
          say(fd, String(getppid()));
        });
      });
      assertGood(child);
    });
    assert.match(heard, /^\d+$/);
    assert.notEqual(Number(heard), process.pid);
  },

  async 'two hundred forks leave nothing behind'() {
    assertGood(forked(() => {}));
    const descriptors = countDescriptors();
    for (let i = 0; i < 200; i++)
      assert.equal(waitpid(forked(() => _exit(i % 7)))!.exitcode, i % 7);
    assert.equal(countDescriptors(), descriptors);
    assert.equal(children().size, 0);
  },
};
