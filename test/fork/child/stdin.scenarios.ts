// The parent alone reads stdin, unless a child inherits it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Inheritable } from 'truefork';
import { _exit } from 'truefork/posix';
import { haveTerminals, startOnTerminal } from '../../support/programs.js';
import type { Scenarios } from '../../support/scenarios.js';
import { liveOn, parent, started, succeeds } from './support.js';

async function readLine(input: Readable): Promise<string | undefined> {
  for await (const line of createInterface({ input })) return line;
  return undefined;
}

/** A target that reports what it is not given. */
function expectNoInput(): () => Promise<void> {
  return async () => {
    assert.equal(readSync(0, Buffer.alloc(10)), 0);
    assert.equal(await text(process.stdin), '');
  };
}

const INPUT = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join('');

/** Started by the scenarios, with stdio that a scenario does not have. */
const programs: Scenarios = {
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

export const tests: Scenarios = {
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
};

export const scenarios: Scenarios = { ...programs, ...tests };
