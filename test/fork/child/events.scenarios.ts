// Signals, errors and what else `process` tells its listeners: the child's are its own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Event } from 'truefork';
import { sleep, until } from '../../support/observe.js';
import type { Scenarios } from '../../support/scenarios.js';
import { hang, liveOn, parent, started, succeeds } from './support.js';

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

export const scenarios: Scenarios = {
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
    const mayEnd = new Event();
    const child = started(() => mayEnd.wait().then(() => process.exit(3)));
    process.kill(child.pid!, 'SIGSTOP');
    mayEnd.set();
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
};
