// A parent that child_process.fork() has started keeps its IPC channel to itself.
import assert from 'node:assert/strict';
import { type ChildProcess, fork as forkProgram } from 'node:child_process';
import { once } from 'node:events';
import { _exit } from 'truefork/posix';
import { until } from '../../support/observe.js';
import { commandOf } from '../../support/programs.js';
import type { Scenarios } from '../../support/scenarios.js';
import { started, succeeds } from './support.js';

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

/** Started by the scenarios, with a parent that a scenario does not have. */
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
};

export const tests: Scenarios = {
  'the IPC channel of child_process.fork() is left alone': () => disturbChannel('json'),

  'the IPC channel with advanced serialization': () => disturbChannel('advanced'),
};

export const scenarios: Scenarios = { ...programs, ...tests };
