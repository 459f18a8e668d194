// Options that nobody would read are refused, by an error that says how they are written.
import assert from 'node:assert/strict';
import {
  Barrier,
  Client,
  ClientSync,
  Connection,
  Event,
  inChild,
  Listener,
  Lock,
  Manager,
  Pipe,
  Pool,
  Process,
  Queue,
  RLock,
  ShareableList,
  SharedArray,
  SharedMemory,
  SimpleQueue,
  SyncManager,
  Value,
  wait,
  waitSync,
} from 'truefork';
import { registerAtFork } from 'truefork/posix';
import type { Scenarios } from '../support/scenarios.js';

const WRONG_TYPE = 'ERR_INVALID_ARG_TYPE';
const WRONG_VALUE = 'ERR_INVALID_ARG_VALUE';
const UNKNOWN = 'ERR_TRUEFORK_UNKNOWN_OPTION';

type Misuse = [call: (...args: never[]) => unknown, code: string, message: RegExp];

/** As programs without types can. */
const any = (value: unknown): never => value as never;

function add(a: number, b: number): number {
  return a + b;
}

async function assertRefused([call, code, message]: Misuse): Promise<void> {
  const refused = { name: 'TypeError', code, message };
  await assert.rejects(async () => call(), refused, call.toString());
}

async function assertAllRefused(misuses: readonly Misuse[]): Promise<void> {
  for (const misuse of misuses) await assertRefused(misuse);
}

const ofProcesses: Misuse[] = [
  [() => new Process(any(add)), WRONG_TYPE, /\{ target, args \}.*Function: add/],
  [() => new Process(any([add])), WRONG_TYPE, /\{ target, args \}/],
  [() => new Process(any(null)), WRONG_TYPE, /an object/],
  [() => new Process(any({ Target: add })), UNKNOWN, /'Target': did you mean target\?/],
  [() => new Process(any({ target: add, kwargs: {} })), UNKNOWN, /'kwargs': pass args/],
  [() => new Process(any({ target: add, group: 1 })), UNKNOWN, /no groups/],
  [() => new Process(any({ target: add, arg: [1] })), UNKNOWN, /did you mean args\?/],
  [() => new Process(any({ constructor: add })), UNKNOWN, /'constructor': its options are/],
  [() => new Process(any({ target: add, args: 1 })), WRONG_TYPE, /"args".*an array/],
  [() => new Process(any({ target: 'add' })), WRONG_TYPE, /"target".*function/],
  [() => new Process({ args: [1] }), WRONG_VALUE, /"args".*"target"/],
  [() => inChild(any({ target: add })), WRONG_TYPE, /"fn"/],
  [() => registerAtFork(any({ afterInchild() {} })), UNKNOWN, /did you mean afterInChild\?/],
  [() => registerAtFork(any({ after_in_child() {} })), UNKNOWN, /did you mean afterInChild\?/],
  [() => registerAtFork(any(add)), WRONG_TYPE, /\{ before, afterInParent, afterInChild \}/],
];

const pool = new Pool(1);

const ofPools: Misuse[] = [
  [() => new Pool(any({ maxtasksperchild: 1 })), UNKNOWN, /did you mean maxTasksPerChild\?/],
  [() => new Pool(any({ max_tasks_per_child: 1 })), UNKNOWN, /did you mean maxTasksPerChild\?/],
  [() => new Pool(any({ initargs: [] })), UNKNOWN, /did you mean initArgs\?/],
  [() => new Pool(any({ context: 'spawn' })), UNKNOWN, /forks/],
  [() => new Pool(any({ size: 2 })), UNKNOWN, /its options are processes, initializer/],
  [() => new Pool(any(add)), WRONG_TYPE, /"processes"/],
  [() => new Pool(any({ processes: 1 }), add), WRONG_VALUE, /one object/],
  [() => new Pool({ processes: 1, initArgs: [1] }), WRONG_VALUE, /"initArgs".*"initializer"/],
  [() => pool.apply(add, [1, 2], any({ x: 2 })), UNKNOWN, /'x': its options are timeout, signal/],
  [() => pool.apply(add, [1, 2], any(add)), WRONG_TYPE, /Function: add/],
  [() => pool.apply(add, [1, 2], any(5)), WRONG_TYPE, /an object/],
  [() => pool.apply(add, [1, 2], any([])), WRONG_TYPE, /an object/],
  [() => pool.apply(add, [1, 2], any({ callback: add })), UNKNOWN, /AsyncResult/],
  [() => pool.apply(add, any({ a: 1 })), WRONG_TYPE, /"args"/],
  [() => pool.applyAsync(add, [1, 2], any(add)), WRONG_TYPE, /Function: add/],
  [() => pool.applyAsync(add, [1, 2], {}, any(add)), WRONG_VALUE, /\{ callback, errorCallback \}/],
  [() => pool.applyAsync(add, [1, 2], any({ error_callback: add })), UNKNOWN, /errorCallback\?/],
  [() => pool.applyAsync(add, [1, 2], { callback: any(5) }), WRONG_TYPE, /"callback"/],
  [() => pool.map(Number, [1], any(add)), WRONG_TYPE, /Function: add/],
  [() => pool.map(Number, [1], any({ chunkSize: 1 })), UNKNOWN, /did you mean chunksize\?/],
  [() => pool.map(Number, [1], any({ progress: 1 })), WRONG_TYPE, /"progress"/],
  [() => pool.mapAsync(Number, [1], {}, any(add)), WRONG_VALUE, /errorCallback/],
  [() => pool.starmapAsync(add, [[1, 2]], 1, any(add)), WRONG_VALUE, /errorCallback/],
  [() => pool.mapSync(Number, [1], any({ signals: 1 })), UNKNOWN, /did you mean signal\?/],
  [() => pool.imap(Number, [1], any({ settle: true })), UNKNOWN, /its options are/],
  [() => pool.imapUnordered(Number, [1], any(add)), WRONG_TYPE, /an object/],
  [() => pool.join(any(add)), WRONG_TYPE, /milliseconds/],
];

const { signal } = new AbortController();

const ofWaits: Misuse[] = [
  [() => new Lock().acquire(any({ timout: 1 })), UNKNOWN, /did you mean timeout\?/],
  [() => new Lock().acquire(any({ timeout: 1, block: false })), UNKNOWN, /\{ timeout: 0 \}/],
  [() => new Lock().acquire(any(false)), WRONG_TYPE, /milliseconds/],
  [() => new Lock().acquire(any(signal)), WRONG_TYPE, /milliseconds/],
  [() => new Lock().acquire(any({ signal: {} })), WRONG_TYPE, /an AbortSignal/],
  [() => new Lock().acquireSync(any({ signal })), UNKNOWN, /returns a promise/],
  [() => new RLock().withSync(add as never, any({ Timeout: 1 })), UNKNOWN, /did you mean timeout/],
  [() => new Lock().with(any(5)), WRONG_TYPE, /"fn"/],
  [() => new Event().wait(any([])), WRONG_TYPE, /milliseconds/],
  [() => new Queue().get(any(true)), WRONG_TYPE, /milliseconds/],
  [() => new Queue().get(any({ blocking: false })), UNKNOWN, /\{ timeout: 0 \}/],
  [() => new SimpleQueue().put(1, any(add)), WRONG_TYPE, /milliseconds/],
  [() => wait([], any({ time: 1 })), UNKNOWN, /did you mean timeout\?/],
  [() => waitSync([], any({ signal })), UNKNOWN, /returns a promise/],
];

/** Where a lock is its owner's already nothing waits, and what is wrong is wrong all the same. */
async function ownedRLock(): Promise<void> {
  const lock = new RLock();
  lock.acquireSync();
  await assertAllRefused([
    [() => lock.acquire(any({ timout: 1 })), UNKNOWN, /timeout/],
    [() => lock.acquireSync(any(add)), WRONG_TYPE, /milliseconds/],
    [() => lock.with(() => {}, any({ timout: 1 })), UNKNOWN, /timeout/],
  ]);
}

const ofObjects: Misuse[] = [
  // Their last argument is for what another process has sent.
  [() => Reflect.construct(Lock, [{ timeout: 5 }]) as unknown, WRONG_TYPE, /left out/],
  [() => Reflect.construct(RLock, [5]) as unknown, WRONG_TYPE, /left out/],
  [() => Reflect.construct(Event, [true]) as unknown, WRONG_TYPE, /left out/],
  [() => Reflect.construct(Barrier, [2, {}, {}]) as unknown, WRONG_TYPE, /left out/],
  [() => Reflect.construct(Value, ['i', 1, {}, 1]) as unknown, WRONG_TYPE, /left out/],
  [() => Reflect.construct(Queue, [1, {}, 1]) as unknown, WRONG_TYPE, /left out/],
  [() => Reflect.construct(SimpleQueue, [{}, 1]) as unknown, WRONG_TYPE, /left out/],
  [() => new Barrier(2, any(add)), WRONG_TYPE, /\{ action, timeout \}/],
  [() => new Barrier(2, any(null)), WRONG_TYPE, /\{ action, timeout \}/],
  [() => new Barrier(2, any({ Action: add })), UNKNOWN, /did you mean action\?/],
  [() => new Queue(0, any({ maxsize: 1 })), UNKNOWN, /its options are size/],
  [() => new SimpleQueue(any(5)), WRONG_TYPE, /an object/],
  [() => new Value('i', 0, any(false)), WRONG_TYPE, /an object/],
  [() => new Value('i', 0, any({ Lock: false })), UNKNOWN, /did you mean lock\?/],
  [() => new Value('i', 0, { lock: any(Object.assign({}, new Lock())) }), WRONG_TYPE, /a lock/],
  [() => new SharedArray('i', 1, any({ loc: false })), UNKNOWN, /did you mean lock\?/],
  [() => new SharedMemory(any('name')), WRONG_TYPE, /\{ create: true, size \}/],
  [() => new SharedMemory(any({ create: true, length: 5 })), UNKNOWN, /its options are name/],
  [() => new SharedMemory({ create: true, size: 5, track: any(0) }), WRONG_TYPE, /"track"/],
  [() => new ShareableList([1], any('name')), WRONG_TYPE, /an object/],
  [() => new ShareableList([1], { name: any(1) }), WRONG_TYPE, /"name"/],
];

const ofConnections: Misuse[] = [
  [() => Pipe(any({ duplex: false })), WRONG_TYPE, /Pipe\(false\)/],
  [() => new Connection(0, any({ readonly: true })), UNKNOWN, /readable/],
  [() => new Connection(0, { readable: any(1) }), WRONG_TYPE, /"readable"/],
  [() => new Listener(null, any({ auth_key: 'x' })), UNKNOWN, /did you mean authkey\?/],
  [() => new Listener(null, any(5)), WRONG_TYPE, /an object/],
  [() => Client('nowhere', any({ authKey: 'x' })), UNKNOWN, /did you mean authkey\?/],
  [() => Client('nowhere', any(add)), WRONG_TYPE, /an object/],
  [() => ClientSync('nowhere', any({ signal })), UNKNOWN, /its options are/],
];

const ofManagers: Misuse[] = [
  [() => new SyncManager(any({ shutdown_timeout: 1 })), UNKNOWN, /did you mean shutdownTimeout\?/],
  [() => new SyncManager(any('address')), WRONG_TYPE, /an object/],
  [() => new SyncManager({ address: any(5) }), WRONG_TYPE, /"address"/],
  [
    () => SyncManager.register.call(any(undefined), 'T', Map),
    'ERR_INVALID_THIS',
    /typeof BaseManager/,
  ],
  [() => Manager(any({ authkey: 'x' })), WRONG_VALUE, /new SyncManager\(options\)\.start\(\)/],
  [() => SyncManager.register('T', Map, any({ proxytype: Map })), UNKNOWN, /mean proxyType\?/],
  [() => SyncManager.register('T', Map, any(['get'])), WRONG_TYPE, /an object/],
  [
    () => SyncManager.register('T', Map, { methodToTypeid: any({ get: 1 }) }),
    WRONG_TYPE,
    /strings/,
  ],
];

async function ofAServer(): Promise<void> {
  SyncManager.registerFunction(add);
  const manager = Manager();
  const remote = manager.Pool(1);
  await assertAllRefused([
    [() => manager.Barrier(2, any(add)), WRONG_TYPE, /\{ timeout \}/],
    [() => manager.Barrier(2, any({ action: add })), UNKNOWN, /functions are not sent/],
    [() => manager.Pool(1, any({ maxtasksperchild: 1 })), UNKNOWN, /mean maxTasksPerChild\?/],
    [() => manager.Pool(1, any(add)), WRONG_TYPE, /an object/],
    [() => manager.Pool(1, { initArgs: [1] }), WRONG_VALUE, /"initArgs"/],
    [() => manager.list(any({})), WRONG_TYPE, /an iterable/],
    [() => manager.map(any([1])), WRONG_TYPE, /\[key, value\]/],
    [() => remote.apply(add, [1, 2], any({ retry: 1 })), UNKNOWN, /did you mean retries\?/],
    [() => remote.applySync(add, [1, 2], any({ signal })), UNKNOWN, /can be aborted/],
    [() => remote.map(add, [1], any(add)), WRONG_TYPE, /an object/],
    [() => manager.Queue().get(any({ timout: 1 })), UNKNOWN, /did you mean timeout\?/],
    [() => manager.Lock().with(any(5)), WRONG_TYPE, /"fn"/],
  ]);
  assert.equal(await remote.apply(add, [1, 2], { retries: 1, signal }), 3);
  await manager.shutdown();
}

class Options {
  get timeout(): number {
    return 0;
  }
}

async function whatAreOptions(): Promise<void> {
  const lock = new Lock();
  lock.acquireSync();
  // Options of an instance may be accessors of its class, and one that is undefined is not there.
  assert.equal(await lock.acquire(new Options()), false);
  assert.equal(lock.acquireSync(Object.create({ timeout: 0 })), false);
  assert.equal(
    lock.acquireSync(Object.assign(Object.create(null) as object, { timeout: 0 })),
    false,
  );
  assert.equal(lock.acquireSync({ timeout: 0, ...({ block: undefined } as object) }), false);
  // Nor is what somebody has added to all objects.
  // oxlint-disable-next-line no-extend-native -- as some programs do
  Object.defineProperty(Object.prototype, 'added', { value: 1, enumerable: true });
  assert.equal(lock.acquireSync({ timeout: 0 }), false);
  assert.ok(new Process({ target: add }));
}

async function partsOfBytes(): Promise<void> {
  const [a, b] = Pipe();
  const bytes = Buffer.from('0123456789');
  await a.sendBytes(bytes, 2, 3);
  a.sendBytesSync(bytes, 8);
  a.sendBytesSync(bytes, { timeout: 1000 });
  a.sendBytesSync(bytes.subarray(5), 1, 2, 1000);
  await a.sendBytes(bytes, 10);
  const received = Array.from({ length: 5 }, () => b.recvBytesSync().toString());
  assert.deepEqual(received, ['234', '89', '0123456789', '67', '']);
  for (const [offset, size] of [[11], [-1], [5, 6], [0, -1]] as [number, number?][]) {
    await assert.rejects(a.sendBytes(bytes, offset, size), { code: 'ERR_OUT_OF_RANGE' });
  }
  await assertRefused([
    () => a.sendBytesSync(bytes, any({}), any(3)),
    WRONG_VALUE,
    /before the options/,
  ]);
}

class Quiet extends Process {
  override run(): void {}
}

class Louder extends Process {
  override async run(): Promise<void> {
    await Promise.resolve();
    super.run();
  }
}

export const scenarios: Scenarios = {
  'of processes': () => assertAllRefused(ofProcesses),
  async 'of pools'() {
    await assertAllRefused(ofPools);
    pool.close();
  },
  'of waits': () => assertAllRefused(ofWaits),
  'of waits for what one has': ownedRLock,
  'of locks, queues and shared data': () => assertAllRefused(ofObjects),
  'of connections': () => assertAllRefused(ofConnections),
  'of managers': () => assertAllRefused(ofManagers),
  'of what is in a server': ofAServer,
  'what options are': whatAreOptions,
  'parts of bytes, as in Python': partsOfBytes,
  'a target that run() does not call': {
    async run() {
      const quiet = new Quiet({ target: () => console.log('never'), name: 'quiet' });
      const louder = new Louder({ target: () => console.log('called') });
      for (const child of [quiet, louder]) {
        child.start();
        assert.equal(await child.join(), 0);
      }
    },
    stdout: 'called\n',
    stderr: /\[TRUEFORK_TARGET_NOT_CALLED\] ProcessWarning: quiet has a target .* super\.run\(\)/,
  },
};
