// Clients that ask without a pause until they are stopped.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

export interface AskingOptions {
  /** An HTTP server's port, and on how many connections at a time to ask it. */
  port?: number;
  keptAlive?: number;
  fresh?: number;
  /** The path of an HTTP server's socket. */
  path?: string;
  /** The port of a server that sends back what it gets. */
  echoPort?: number;
}

export interface Report {
  /** How many requests each process has answered, by pid. */
  answers: Record<string, number>;
  /** How many messages came back. */
  echoed: number;
  failures: string[];
}

/** Asks for `options.path`; what answers says who it is, and what it was asked for. */
export function ask(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    get(options, (response) => text(response).then(resolve, reject)).on('error', reject);
  });
}

let asked = 0;

/** Asks, and returns the pid of the process that has answered. */
export async function askWho(options: RequestOptions): Promise<string> {
  const path = `/${asked++}`;
  const answer = await ask({ host: '127.0.0.1', ...options, path });
  const [pid, about] = answer.split(' ');
  assert.equal(about, path);
  return pid!;
}

/** Messages that fill a few packets each, no two of them alike. */
function message(number: number): Buffer {
  return Buffer.from(`${number};`.repeat(5000));
}

export class Asking {
  readonly report: Report = { answers: {}, echoed: 0, failures: [] };
  readonly #lanes: Promise<void>[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  #isStopped = false;

  constructor({ port, keptAlive = 0, fresh = 0, path, echoPort }: AskingOptions) {
    for (let i = 0; i < keptAlive; i++) this.#keepAsking({ port, agent: this.#agent });
    for (let i = 0; i < fresh; i++) this.#keepAsking({ port, agent: false });
    if (path !== undefined) this.#keepAsking({ socketPath: path, agent: false });
    if (echoPort !== undefined) this.#lanes.push(this.#echo(echoPort));
  }

  /** Waits for the answers that are still to come. */
  async stop(): Promise<Report> {
    this.#isStopped = true;
    await Promise.all(this.#lanes);
    this.#agent.destroy();
    return this.report;
  }

  #keepAsking(options: RequestOptions): void {
    this.#lanes.push(this.#askOn(options));
  }

  async #askOn(options: RequestOptions): Promise<void> {
    const { answers } = this.report;
    while (!this.#isStopped) {
      try {
        const pid = await askWho(options);
        answers[pid] = (answers[pid] ?? 0) + 1;
      } catch (error) {
        this.#fail(options.agent === false ? 'fresh' : 'kept alive', error);
      }
    }
  }

  async #echo(port: number): Promise<void> {
    try {
      const socket = connect(port, '127.0.0.1');
      const chunks = socket.iterator({ destroyOnReturn: false });
      while (!this.#isStopped) {
        const sent = message(this.report.echoed);
        socket.write(sent);
        const got: Buffer[] = [];
        for (let length = 0; length < sent.length;) {
          const { value, done } = (await chunks.next()) as IteratorResult<Buffer>;
          assert.ok(done !== true, 'the connection came to its end');
          got.push(value);
          length += value.length;
        }
        assert.ok(sent.equals(Buffer.concat(got)), 'something else came back');
        this.report.echoed++;
      }
      socket.end();
      socket.resume();
      await once(socket, 'close');
    } catch (error) {
      this.#fail('echo', error);
    }
  }

  #fail(lane: string, error: unknown): void {
    const { code, message: what } = error as NodeJS.ErrnoException;
    this.report.failures.push(`${lane}: ${code ?? ''} ${what}`);
  }
}
