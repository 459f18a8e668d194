// Errors that throw at whoever looks at them, and thrown values that are none.
import assert from 'node:assert/strict';
import { BaseManager, inChild, Pipe, Pool, Process, ProcessError, Queue } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';

const UNREADABLE = 'an error whose message cannot be read: its getter throws';

function thrower(): never {
  throw undefined;
}

function withGetter(key: PropertyKey, isEnumerable = false): Error {
  const error = Object.assign(new RangeError('here'), { extra: 1 });
  return Object.defineProperty(error, key, { get: thrower, enumerable: isEnumerable });
}

/** Each with the message that arrives. */
const ERRORS: [make: () => Error, message: string][] = [
  ...['stack', 'name', 'cause', 'own', 'constructor', 'toString', 'code', Symbol.toStringTag].map(
    (key): [() => Error, string] => [() => withGetter(key), 'here'],
  ),
  [() => withGetter('own', true), 'here'],
  [() => withGetter('message'), UNREADABLE],
  [
    () => Object.defineProperty(new RangeError(), 'message', { value: { toString: thrower } }),
    UNREADABLE,
  ],
  [
    () => {
      const extra = { fn() {}, [Symbol.for('nodejs.util.inspect.custom')]: thrower };
      return Object.assign(new RangeError('here'), { extra });
    },
    'here',
  ],
  [() => Object.assign(new RangeError('here'), { extra: new Proxy({}, {}) }), 'here'],
  [() => new RangeError('here', { cause: withGetter('message') }), 'here'],
];

/** Values that cannot be sent. */
const OTHERS: (() => unknown)[] = [
  () => Symbol('thrown'),
  () => () => 1,
  () => new Proxy(new Error('here'), {}),
  () => Object.defineProperty({}, 'own', { get: thrower, enumerable: true }),
  () => new Proxy(new Error('here'), { getPrototypeOf: thrower }),
  () => {
    const { proxy, revoke } = Proxy.revocable(new Error('here'), {});
    revoke();
    return proxy;
  },
  () => Object.create(new Proxy({}, { getPrototypeOf: thrower })),
];

async function reasonOf(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it was not rejected');
}

function assertIsNotClonable(error: unknown): void {
  assert.ok(error instanceof ProcessError);
  assert.equal(error.code, 'ERR_TRUEFORK_NOT_CLONABLE');
}

function assertArrived(error: unknown, message: string): void {
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, message);
}

class Service {
  failWith(index: number): never {
    throw ERRORS[index]![0]();
  }

  throwOther(index: number): never {
    throw OTHERS[index]!();
  }
}

class ServiceManager extends BaseManager {}
ServiceManager.register('Service', Service);

interface WithService {
  Service(): Service;
}

/** Throws what it gives. */
function throwing(make: () => unknown): () => never {
  return () => {
    throw make();
  };
}

export const scenarios: Scenarios = {
  async 'errors with getters that throw, from a child and from a pool'() {
    await using pool = new Pool(1);
    for (const [make, message] of ERRORS) {
      const fail = throwing(make);
      assertArrived(await reasonOf(inChild(fail)), message);
      assertArrived(await reasonOf(pool.apply(fail)), message);
      assertArrived(await inChild(make), message);
    }
  },

  async 'through pipes and queues'() {
    const [reader, writer] = Pipe();
    const queue = new Queue();
    for (const [make, message] of ERRORS) {
      writer.sendSync(make());
      assertArrived(await reader.recv(), message);
      await queue.put(make());
      assertArrived(queue.getSync(), message);
    }
    for (const make of OTHERS) {
      const expected = { code: 'ERR_TRUEFORK_NOT_CLONABLE' };
      assert.throws(() => writer.sendSync(make()), expected);
      await assert.rejects(writer.send(make()), expected);
      await assert.rejects(queue.put(make()), expected);
    }
  },

  async 'from the methods of a manager'() {
    const manager = new ServiceManager();
    manager.start();
    const service = (manager as unknown as WithService).Service();
    for (const [index, [, message]] of ERRORS.entries()) {
      assert.throws(
        () => service.failWith(index),
        (error) => {
          assertArrived(error, message);
          return true;
        },
      );
    }
    for (const index of OTHERS.keys()) {
      assert.throws(() => service.throwOther(index), { code: 'ERR_TRUEFORK_NOT_CLONABLE' });
    }
    await manager.shutdown();
  },

  async 'what is thrown need not be an error'() {
    await using pool = new Pool(1);
    for (const value of [undefined, null, 0, '', 1n, { x: 1 }]) {
      const fail = throwing(() => value);
      assert.deepEqual(await reasonOf(inChild(fail)), value);
      assert.deepEqual(await reasonOf(pool.apply(fail)), value);
    }
    for (const make of OTHERS) {
      const fail = throwing(make);
      assertIsNotClonable(await reasonOf(inChild(fail)));
      assertIsNotClonable(await reasonOf(pool.apply(fail)));
    }
  },

  async 'causes of causes, in circles, and very many'() {
    const circle = new RangeError('here');
    circle.cause = new Error('other', { cause: circle });
    assertArrived(await reasonOf(inChild(throwing(() => circle))), 'here');
    let deep = new RangeError('first');
    for (let i = 0; i < 20_000; i++) deep = new RangeError('here', { cause: deep });
    let error = (await reasonOf(inChild(throwing(() => deep)))) as Error;
    let depth = 0;
    for (; error instanceof Error; depth++) error = error.cause as Error;
    assert.ok(depth >= 100, `${depth}`);
    assert.equal(typeof error, 'string');
  },

  async 'properties with the names of what an object has'() {
    const odd = JSON.parse('{"__proto__": 1, "constructor": 2, "hasOwnProperty": 3}') as object;
    const make = (): Error => {
      const error = new RangeError('here');
      for (const [key, value] of Object.entries(odd)) {
        Object.defineProperty(error, key, { value, enumerable: true });
      }
      return error;
    };
    const error = await reasonOf(inChild(throwing(make)));
    assertArrived(error, 'here');
    assert.deepEqual(Object.entries(error as Error), Object.entries(odd));
  },

  'a process that throws one ends with 1': {
    async run() {
      for (const [make] of ERRORS) {
        const child = new Process({ target: throwing(make) });
        child.start();
        assert.equal(await child.join(), 1);
      }
    },
    stderr: /here/,
  },
};
