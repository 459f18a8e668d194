// Errors between relatives arrive as instances of their own classes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  BaseManager,
  inChild,
  Listener,
  Pipe,
  Pool,
  Process,
  Queue,
  SimpleQueue,
  TimeoutError,
} from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import * as shop from './shop.js';

class NotFound extends Error {
  readonly code = 'E_NOT_FOUND';
}
class PageNotFound extends NotFound {}
class Wrong extends TypeError {}
class Late extends TimeoutError {}
class Web extends DOMException {}
class Many extends AggregateError {}
class Named extends Error {
  // oxlint-disable-next-line typescript/class-literal-property-style -- on the prototype, and not the instance
  override get name(): string {
    return 'of a getter';
  }
}
class Listing extends Error {
  readonly errors = ['one', 'two'];
}

/** As classes were before there were any. */
function Old(this: Error, message: string): void {
  this.message = message;
}
Old.prototype = Object.create(Error.prototype, { constructor: { value: Old, writable: true } });

type ErrorClass = new (message: string) => Error;

function makeClass(): ErrorClass {
  return class extends Error {};
}
/** The same in all but their identity. */
const [First, Second] = [makeClass(), makeClass()];

const CLASSES = {
  NotFound,
  PageNotFound,
  Wrong,
  Late,
  Named,
  Listing,
  Old: Old as unknown as ErrorClass,
  First,
  Second,
} as const;

function assertIs(error: unknown, Class: ErrorClass): void {
  assert.equal(Object.getPrototypeOf(error), Class.prototype, Class.name);
  assert.ok(error instanceof Class && error instanceof Error);
  assert.equal(error.message, 'here');
}

async function caught(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it was not rejected');
}

async function forEach(test: (Class: ErrorClass) => Promise<void>): Promise<void> {
  for (const Class of Object.values(CLASSES)) await test(Class);
}

/** Sends an error of the class from a child, with `send`, and returns what `receive` gives. */
async function fromChild<T>(send: () => unknown, receive: () => Promise<T>): Promise<T> {
  const child = new Process({ target: send });
  child.start();
  const received = await receive();
  assert.equal(await child.join(), 0);
  return received;
}

class Service {
  fail(name: keyof typeof CLASSES): never {
    throw new CLASSES[name]('here');
  }
}

class ServiceManager extends BaseManager {}
ServiceManager.register('Service', Service);

interface WithService {
  Service(): Service;
}

export const scenarios: Scenarios = {
  async 'of inChild'() {
    await forEach(async (Class) => {
      const thrown = inChild(() => {
        throw new Class('here');
      });
      assertIs(await caught(thrown), Class);
      assertIs(await inChild(() => new Class('here')), Class);
      const nested = inChild(() => inChild(() => Promise.reject(new Class('here'))));
      assertIs(await caught(nested), Class);
    });
  },

  async 'of a pool, from its initializer, and as arguments'() {
    await using pool = new Pool(2);
    await forEach(async (Class) => {
      const thrown = pool.apply(() => {
        throw new Class('here');
      });
      assertIs(await caught(thrown), Class);
      const isIt = (error: unknown): boolean => error instanceof Class;
      assert.equal(await pool.apply(isIt, [new Class('here')]), true);
      const outcomes = await pool.map((n) => (n > 1 ? new Class('here') : n), [1, 2]);
      assertIs(outcomes[1], Class);
    });
  },

  async 'of pipes and queues'() {
    await forEach(async (Class) => {
      for (const isDuplex of [true, false]) {
        const [reader, writer] = Pipe(isDuplex);
        const send = (): void => writer.sendSync(new Class('here'));
        assertIs(await fromChild(send, () => reader.recv()), Class);
      }
      for (const queue of [new Queue(), new Queue(1), new SimpleQueue()]) {
        const put = (): void => queue.putSync(new Class('here'));
        assertIs(await fromChild(put, () => queue.get()), Class);
      }
    });
  },

  async 'that a parent sends to its child'() {
    await forEach(async (Class) => {
      const [ours, theirs] = Pipe();
      const child = new Process({
        target: () => assertIs(theirs.recvSync(), Class),
      });
      child.start();
      await ours.send(new Class('here'));
      assert.equal(await child.join(), 0);
    });
  },

  async 'of the methods of a manager'() {
    const manager = new ServiceManager();
    manager.start();
    const service = (manager as unknown as WithService).Service();
    for (const [name, Class] of Object.entries(CLASSES)) {
      assert.throws(
        () => service.fail(name as keyof typeof CLASSES),
        (error) => {
          assertIs(error, Class);
          return true;
        },
      );
    }
    await manager.shutdown();
  },

  async 'of other modules, found by what the function sees'() {
    const error = (await caught(inChild(() => shop.sell('tea')))) as shop.SoldOut;
    assert.ok(error instanceof shop.SoldOut);
    assert.deepEqual([error.name, error.article], ['SoldOut', 'tea']);
    assert.ok(shop.isOfShop(await caught(inChild(() => shop.fail()))));
    assert.ok(shop.isOfShop(await caught(inChild(shop.fail))));
  },

  async 'with what they have: causes, errors, properties'() {
    const [error, reasons] = (await Promise.all([
      caught(inChild(() => Promise.reject(new Wrong('out', { cause: new NotFound('in') })))),
      caught(inChild(() => Promise.reject(new Many([new Wrong('a'), 1], 'all')))),
    ])) as [Error, AggregateError];
    assert.ok(error instanceof Wrong && error.cause instanceof NotFound);
    assert.equal(error.cause.code, 'E_NOT_FOUND');
    assert.ok(reasons instanceof Many && reasons.errors[0] instanceof Wrong);
    assert.equal(reasons.errors[1], 1);
    const listing = (await caught(inChild(() => Promise.reject(new Listing('x'))))) as Listing;
    assert.deepEqual(listing.errors, ['one', 'two']);
    const web = (await caught(inChild(() => Promise.reject(new Web('x', 'DataError'))))) as Web;
    assert.ok(web instanceof Web);
    assert.deepEqual([web.name, web.code], ['DataError', 0]);
  },

  async 'of classes that the receiver does not have: the nearest that it has'() {
    const made = (make: (Base: ErrorClass) => Error, Base: ErrorClass): Promise<Error> =>
      inChild(() => make(Base));
    const subclass = (Base: ErrorClass): Error => {
      class New extends Base {
        override name = 'New';
      }
      return Object.assign(new New('here'), { extra: 1 });
    };
    for (const Base of [Error, TypeError, URIError, NotFound, shop.SoldOut] as ErrorClass[]) {
      const error = await made(subclass, Base);
      assert.equal(Object.getPrototypeOf(error), Base.prototype);
      assert.deepEqual([error.name, Reflect.get(error, 'extra')], ['New', 1]);
      assert.match(error.stack!, /classes\.scenarios/);
    }
    assert.ok((await made(subclass, Late)) instanceof TimeoutError);
  },

  async 'of Node'() {
    const error = await caught(inChild(() => assert.equal(1, 2)));
    assert.ok(error instanceof assert.AssertionError);
    assert.deepEqual([error.code, error.actual, error.expected], ['ERR_ASSERTION', 1, 2]);
    const wrong = await caught(inChild(() => Buffer.alloc('x' as unknown as number)));
    assert.ok(wrong instanceof TypeError);
    assert.equal(Reflect.get(wrong, 'code'), 'ERR_INVALID_ARG_TYPE');
  },

  async 'nothing of a class runs when an error arrives'() {
    let runs = 0;
    class Counting extends Error {
      constructor(message: string) {
        super(message);
        runs++;
      }
      override set message(_: string) {
        runs++;
      }
      // oxlint-disable-next-line typescript/class-literal-property-style -- on the prototype
      override get name(): string {
        runs++;
        return 'Counting';
      }
    }
    const error = await caught(
      inChild(() => {
        throw new Counting('here');
      }),
    );
    assert.equal(runs, 0);
    assert.ok(error instanceof Counting);
  },

  async 'a stranger cannot name them'() {
    using listener = new Listener();
    const program = `
      import { Client } from 'truefork';
      class NotFound extends Error { code = 'E_NOT_FOUND' }
      const connection = await Client(process.argv[1]);
      await connection.send(new NotFound('here'));
    `;
    const accepted = listener.accept();
    const args = ['--input-type=module', '-e', program, listener.address as string];
    const { stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.deepEqual([stderr, status], ['', 0]);
    const error = await (await accepted).recv();
    assert.equal(Object.getPrototypeOf(error), Error.prototype);
  },

  'and is found again without looking again': {
    options: { nodeArgs: ['--expose-gc'] },
    async run() {
      await using pool = new Pool(1);
      const results = await pool.map(
        (n) => {
          throw new CLASSES.NotFound(`${n}`);
        },
        Array.from({ length: 2000 }, (_, n) => n),
        { settle: true },
      );
      for (const { reason } of results as PromiseRejectedResult[]) {
        assert.ok(reason instanceof NotFound);
      }
    },
  },
};
