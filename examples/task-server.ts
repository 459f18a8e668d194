// A queue of tasks that programs on any machine can work at, if they know the key.
//
//   task-server.ts serve <port> <key> [tasks]    gives out tasks, prints their outcomes
//   task-server.ts work <host> <port> <key>      does tasks until there are no more
import { asyncProxy, BaseManager, Process } from 'truefork';

/** Lives in the server. A client that waits in take() holds up nobody else. */
class TaskQueue {
  #tasks: number[] = [];
  #waiting: ((task: number | undefined) => void)[] = [];
  #results = new Map<number, number>();
  #isClosed = false;

  add(...tasks: number[]): void {
    this.#tasks.push(...tasks);
    while (this.#waiting.length > 0 && this.#tasks.length > 0) {
      this.#waiting.shift()!(this.#tasks.shift());
    }
  }

  /** The next task, as soon as there is one; undefined if there will be no more. */
  async take(): Promise<number | undefined> {
    if (this.#tasks.length > 0 || this.#isClosed) return this.#tasks.shift();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  report(task: number, result: number): void {
    this.#results.set(task, result);
  }

  /** No more tasks will come. */
  close(): void {
    this.#isClosed = true;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }

  get results(): [number, number][] {
    return [...this.#results];
  }
}

class TaskManager extends BaseManager {
  declare queue: () => TaskQueue;
}

const queue = new TaskQueue();
TaskManager.register('queue', () => queue);

async function serve(port: number, authkey: Buffer, count: number): Promise<void> {
  using manager = new TaskManager({ address: ['127.0.0.1', port], authkey }).start();
  const [host, usedPort] = manager.address as [string, number];
  const tasks = asyncProxy(manager.queue());
  await tasks.add(...Array.from({ length: count }, (_, i) => i));
  console.log(`serving ${count} tasks at ${host}:${usedPort}`);
  while ((await tasks.results).length < count) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await tasks.close();
  const sum = (await tasks.results).reduce((total, [, result]) => total + result, 0);
  console.log(`all done, and the sum of the squares is ${sum}`);
}

async function work(host: string, port: number, authkey: Buffer): Promise<void> {
  const manager = await new TaskManager({ address: [host, port], authkey }).connect();
  const tasks = asyncProxy(manager.queue());
  let done = 0;
  for (let task = await tasks.take(); task !== undefined; task = await tasks.take()) {
    await tasks.report(task, task * task);
    done++;
    if (done === 1) console.log('working');
  }
}

const [, , command, ...args] = process.argv;
if (command === 'serve') {
  await serve(Number(args[0]), Buffer.from(args[1]!), Number(args[2] ?? 100));
} else if (command === 'work') {
  const worker = new Process({
    target: () => work(args[0]!, Number(args[1]), Buffer.from(args[2]!)),
  });
  worker.start();
  process.exitCode = (await worker.join()) ?? 1;
} else {
  console.error('usage: task-server.ts serve <port> <key> [tasks] | work <host> <port> <key>');
  process.exitCode = 1;
}
