// Managers of a program's own classes, and managers elsewhere: the rows of _TestMyManager and
// _TestRemoteManager.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import {
  asyncProxy,
  BaseManager,
  BaseProxy,
  callMethod,
  inChild,
  type ManagerOptions,
  Process,
  SharedMemory,
  SharedMemoryManager,
  SyncManager,
} from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { inGoodChild, LOST, misuse, started } from './support.js';

class Base {
  inherited(): string {
    return 'inherited';
  }
}

class Foo extends Base {
  #count = 0;
  field = 1;
  f(): string {
    return 'f()';
  }
  g(): never {
    throw new RangeError('g() has failed');
  }
  _h(): string {
    return '_h()';
  }
  increment(by = 1): number {
    return (this.#count += by);
  }
  async later(value: unknown): Promise<unknown> {
    await new Promise((resolve) => setImmediate(resolve));
    return value;
  }
  chain(): this {
    return this;
  }
  get count(): number {
    return this.#count;
  }
  set count(value: number) {
    this.#count = value;
  }
  get readOnly(): string {
    return 'ro';
  }
  items(): number[] {
    return [1, 2, 3];
  }
  use(list: unknown[]): number {
    return list.push('from the server');
  }
  lambda(): unknown {
    return () => 1;
  }
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < 5; i++) yield i * i;
  }
}

function* squares(): Generator<number> {
  for (let i = 0; i < 10; i++) yield i * i;
}

class FooProxy extends BaseProxy {
  twice(): number {
    this.callMethod('increment');
    return this.callMethod('increment') as number;
  }
}

interface FooLike extends Omit<Foo, '_h'> {
  _h(): string;
}

class MyManager extends SyncManager {
  declare Foo: () => FooLike;
  declare Bar: () => FooLike;
  declare Some: () => FooLike;
  declare squares: () => Iterable<number>;
  declare shared: () => FooLike;
  declare Own: () => FooProxy;
  declare Broken: () => object;
}

const shared = new Foo();
MyManager.register('Foo', Foo);
MyManager.register('Bar', Foo, { exposed: ['f', '_h', 'field', 'constructor', '__proto__'] });
MyManager.register('Some', Foo, { methodToTypeid: { items: 'list' } });
MyManager.register('squares', squares);
MyManager.register('shared', () => shared);
MyManager.register('Own', Foo, { proxyType: FooProxy });
MyManager.register('Broken', () => 5);

async function withMine(
  use: (manager: MyManager) => unknown,
  options?: ManagerOptions,
): Promise<void> {
  const manager = new MyManager(options).start();
  try {
    await use(manager);
  } finally {
    manager.shutdownSync();
  }
  assert.equal(manager.joinSync(), 0);
}

export const scenarios: Scenarios = {
  async 'public methods and properties of a class, and of those it extends'() {
    await withMine(async (manager) => {
      const foo = manager.Foo();
      assert.equal(foo.f(), 'f()');
      assert.equal(foo.inherited(), 'inherited');
      assert.equal(foo.increment(), 1);
      assert.equal(await inChild(() => foo.increment(5)), 6);
      assert.equal(foo.count, 6);
      foo.count = 10;
      assert.equal(foo.increment(), 11);
      assert.equal(foo.readOnly, 'ro');
      assert.throws(() => Object.assign(foo, { readOnly: 1 }), TypeError);
      assert.equal('_h' in foo, false);
      assert.equal('field' in foo, false);
      assert.equal(await foo.later('x'), 'x');
      assert.equal(foo.chain(), foo);
      assert.deepEqual([...foo], [0, 1, 4, 9, 16]);
      assert.throws(() => foo.lambda(), misuse('NOT_CLONABLE'));
      assert.match(inspect(foo), /^<AutoProxy object, typeid 'Foo' at \d+>$/);
      const form = asyncProxy(foo);
      assert.equal(await form.increment(), 12);
      assert.equal(await form.count, 12);
    });
  },

  async 'only what is exposed'() {
    await withMine((manager) => {
      const bar = manager.Bar();
      assert.equal(bar.f(), 'f()');
      assert.equal(bar._h(), '_h()');
      assert.equal(bar.field, 1);
      bar.field = 2;
      assert.equal(bar.field, 2);
      for (const name of [
        'g',
        'constructor',
        '__proto__',
        'toString',
        'hasOwnProperty',
        '__defineGetter__',
        'nothing',
        '',
        '.count',
        '.constructor',
        '=__proto__',
      ]) {
        assert.throws(() => callMethod(bar, name, 'x'), misuse('NOT_EXPOSED'), name);
        assert.throws(() => callMethod(manager.dict(), name, 'x'), misuse('NOT_EXPOSED'), name);
      }
      const open = manager.Foo();
      for (const name of ['constructor', '__proto__', 'toString', '_h', '.field', '=readOnly']) {
        assert.throws(() => callMethod(open, name), misuse('NOT_EXPOSED'), name);
      }
    });
  },

  async 'errors keep class, message and the stack of the server'() {
    await withMine(async (manager) => {
      const foo = manager.Foo();
      const isRight = (error: Error): boolean =>
        error instanceof RangeError &&
        error.message === 'g() has failed' &&
        /at Foo\.g .*classes\.scenarios/.test(error.stack!);
      assert.throws(() => foo.g(), isRight);
      await assert.rejects(asyncProxy(foo).g(), isRight);
      assert.throws(() => manager.Broken(), TypeError);
      assert.throws(() => manager.create('Nothing'), misuse('NO_SUCH_TYPE'));
      assert.equal(foo.f(), 'f()');
    });
  },

  async 'functions that return an object, iterators, results that stay'() {
    await withMine(async (manager) => {
      assert.deepEqual([...manager.squares()], [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
      manager.shared().increment();
      assert.equal(manager.shared().increment(), 2);
      assert.equal(manager.shared(), manager.shared());
      const some = manager.Some();
      const items = some.items();
      items.push(4);
      assert.deepEqual([...items], [1, 2, 3, 4]);
      assert.equal(some.use(items), 5);
      assert.deepEqual([...items], [1, 2, 3, 4, 'from the server']);
      const own = manager.Own();
      assert.equal(own instanceof FooProxy, true);
      assert.equal(own.twice(), 2);
      assert.equal(await inChild(() => own.twice()), 4);
    });
  },

  async 'an initializer runs in the server, and its error comes here'() {
    const manager = new MyManager();
    manager.start((by: number) => shared.increment(by), 40);
    assert.equal(manager.shared().increment(2), 42);
    assert.throws(() => manager.start(), misuse('ALREADY_STARTED'));
    await manager.shutdown();
    await manager.shutdown();
    assert.equal(await manager.join(), 0);
    assert.throws(() => manager.start(), misuse('CLOSED'));
    assert.throws(() => manager.dict(), misuse('CLOSED'));
    const broken = new MyManager();
    assert.throws(
      () =>
        broken.start(() => {
          throw new RangeError('cannot begin');
        }),
      { name: 'RangeError', message: 'cannot begin' },
    );
    assert.throws(() => new MyManager().start(() => process.exit(3)), LOST);
    assert.throws(() => new MyManager().start(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => new MyManager({ authkey: 'text' as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    assert.throws(() => new MyManager().dict(), misuse('NOT_STARTED'));
    assert.throws(() => new MyManager().joinSync(), misuse('NOT_STARTED'));
  },

  'a server that is terminated'() {
    const manager = new MyManager().start();
    const foo = manager.Foo();
    process.kill(manager.pid!, 'SIGTERM');
    assert.equal(manager.joinSync(), -15);
    assert.throws(() => foo.f(), LOST);
    assert.throws(() => manager.Foo(), LOST);
    manager.shutdownSync();
  },

  async 'a remote manager, with a key'() {
    const authkey = Buffer.from('a key');
    const server = new MyManager({ address: ['127.0.0.1', 0], authkey }).start();
    const address = server.address!;
    // In another process, which knows nothing of this one.
    await inGoodChild(async () => {
      class Remote extends BaseManager {
        declare shared: () => FooLike;
        declare dict: () => Record<string, unknown>;
      }
      Remote.register('shared');
      Remote.register('dict');
      const wrong = new Remote({ address, authkey: Buffer.from('wrong') });
      await assert.rejects(wrong.connect(), { name: 'AuthenticationError' });
      const remote = await new Remote({ address, authkey }).connect();
      assert.equal(remote.shared().increment(), 1);
      const d = remote.dict();
      d['text'] = 'ä \ud83d\ude00';
      d['bytes'] = Buffer.from([1, 2]);
      d['none'] = null;
      assert.deepEqual(
        { ...d },
        { text: 'ä \ud83d\ude00', bytes: Buffer.from([1, 2]), none: null },
      );
    });
    assert.equal(server.shared().increment(), 2);
    server.shutdownSync();
    const nobody = new MyManager({ address, authkey });
    assert.throws(() => nobody.connectSync(), LOST);
    await assert.rejects(nobody.connect(), LOST);
    await assert.rejects(new MyManager().connect(), misuse('NOT_STARTED'));
  },

  async 'memory that goes with its manager'() {
    const manager = new SharedMemoryManager().start();
    const memory = manager.SharedMemory(100);
    const list = manager.ShareableList(['a', 1, null]);
    manager.SharedMemory(10).unlink();
    await inGoodChild(() => {
      memory.buf.write('hello');
      list.set(1, 2);
    });
    assert.equal(memory.buf.toString('utf8', 0, 5), 'hello');
    assert.equal(list.get(1), 2);
    const { name } = memory;
    assert.equal(new SharedMemory({ name }).size >= 100, true);
    await manager.shutdown();
    assert.equal(await manager.join(), 0);
    assert.throws(() => new SharedMemory({ name }), { code: 'ENOENT' });
    assert.throws(() => new SharedMemory({ name: list.shm.name }), { code: 'ENOENT' });
    const killed = new SharedMemoryManager().start();
    const left = killed.SharedMemory(100).name;
    killed.shutdownSync();
    assert.throws(() => new SharedMemory({ name: left }), { code: 'ENOENT' });
  },

  async 'a server in this process'() {
    const authkey = Buffer.from('another key');
    const manager = new MyManager({ address: ['127.0.0.1', 0], authkey });
    const server = manager.getServer();
    const child = started(async () => {
      const client = new MyManager({ address: server.address, authkey }).connectSync();
      client.shared().increment(3);
      await asyncProxy(client.shared()).increment(4);
    });
    void child.join().then(() => server.stop());
    await server.serveForever();
    assert.equal(child.exitcode, 0);
    assert.equal(shared.count, 7);
    assert.throws(() => manager.Foo(), misuse('NOT_STARTED'));
  },

  'using, and a child that leaves the scope too'() {
    let pid: number;
    {
      using manager = new MyManager().start();
      pid = manager.pid!;
      const child = new Process({ target: () => manager[Symbol.dispose]() });
      child.start();
      assert.equal(child.joinSync(), 0);
      assert.equal(manager.Foo().f(), 'f()');
    }
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  },
};
