// Parent and children print to the same stdout: all of it once, whole and in order.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sleep, until } from '../../support/observe.js';
import {
  commandOf,
  haveTerminals,
  type Program,
  startCommand,
  startOnTerminal,
  startProgram,
} from '../../support/programs.js';
import type { Scenarios } from '../../support/scenarios.js';
import { inScratch, liveOn, parent, started, succeeds } from './support.js';

/** How the programs below that print are to have their stdout. */
const OUTPUTS: Record<string, (directory: string, name: string) => Promise<string>> = {
  'a socket': (_, name) => outputOf(startProgram(name)),
  'a pipe': (_, name) => outputOf(throughShell('"$@" | cat', name)),
  'a file': (directory, name) => contentsAfter(directory, (path) => toFile(path, 'w', name)),
  'a file opened to append': (directory, name) =>
    contentsAfter(directory, (path) => toFile(path, 'a', name)),
};

/** Runs a program as part of a shell command, in which it is `"$@"`. */
function throughShell(command: string, name: string): Program {
  return startCommand(['sh', '-c', command, 'sh', ...commandOf(name)]);
}

function toFile(path: string, flags: string, name: string): Program {
  const fd = openSync(path, flags);
  const program = startProgram(name, { stdio: ['ignore', fd, 'pipe'] });
  closeSync(fd);
  return program;
}

async function outputOf(program: Program): Promise<string> {
  const { code } = await program.end();
  assert.equal(program.stderr, '');
  assert.equal(code, 0);
  return program.stdout;
}

async function contentsAfter(directory: string, start: (path: string) => Program): Promise<string> {
  const path = join(directory, 'out');
  writeFileSync(path, '');
  assert.equal(await outputOf(start(path)), '');
  return readFileSync(path, 'utf8');
}

/** The output of the program, whatever its stdout is. */
function* allOutputs(name: string): Generator<[kind: string, output: Promise<string>]> {
  for (const [kind, run] of Object.entries(OUTPUTS)) {
    yield [kind, inScratch((directory) => run(directory, name))];
  }
}

const PRINTERS = 8;
const LINES = 300;

function lineOf(printer: string, number: number): string {
  return `${printer} ${number} ${'-'.repeat(number)}`;
}

/** Checks that every line is there once, whole, and in the order of its printer. */
function checkLines(output: string, printers: string[]): void {
  const lines = output.trimEnd().split('\n');
  for (const printer of printers) {
    const found = lines.filter((line) => line.startsWith(`${printer} `));
    const expected = Array.from({ length: LINES }, (_, i) => lineOf(printer, i));
    assert.deepEqual(found, expected, printer);
  }
  assert.equal(lines.length, printers.length * LINES);
}

const CHILDREN = Array.from({ length: PRINTERS }, (_, i) => `child${i}`);

const MEGABYTES = 4 * 2 ** 20;
const PIPED = Array.from({ length: 100 }, () => 'x'.repeat(100_000));
const MARK = /<child\d>/g;

function checkUnflushed(output: string): void {
  assert.deepEqual(
    output.match(MARK)?.toSorted(),
    CHILDREN.flatMap((name) => [`<${name}>`, `<${name}>`]),
  );
  assert.match(output, /P<end>$/);
  const rest = output.replaceAll(MARK, '').replace(/<end>$/, '');
  assert.equal(rest.length, MEGABYTES + 2);
  assert.equal(/[^P]/.exec(rest), null);
}

/** Whether stdout takes some of the parent's output only later. */
function isLazy(): boolean {
  return process.stdout instanceof Socket && !process.stdout.isTTY;
}

/** Started by the scenarios, with stdio that a scenario does not have. */
const programs: Scenarios = {
  async 'it prints as its children do'() {
    const children = CHILDREN.map((name) =>
      started(() => {
        for (let i = 0; i < LINES; i++) console.log(lineOf(name, i));
      }),
    );
    // One write after the other: what waits in the parent is written together, and
    // a pipe may take a part of it.
    for (let i = 0; i < LINES; i++) {
      await new Promise((resolve) => process.stdout.write(`${lineOf('parent', i)}\n`, resolve));
    }
    for (const child of children) assert.equal(await child.join(), 0);
  },

  async 'it forks with megabytes unflushed'() {
    process.stdout.write('P');
    process.stdout.write('P'.repeat(MEGABYTES));
    assert.equal(process.stdout.writableLength > 0, isLazy());
    const ends = [() => {}, () => process.exit(), () => process.kill(process.pid, 'SIGKILL')];
    const children = CHILDREN.map((name, i) =>
      started(() => {
        assert.equal(process.stdout.writableLength, 0);
        assert.equal(process.stdout.writableNeedDrain, false);
        process.stdout.write(`<${name}>`);
        console.log(`<${name}>`);
        ends[i % ends.length]!();
      }),
    );
    for (const [i, child] of children.entries()) {
      assert.equal(await child.join(), i % ends.length === 2 ? -9 : 0);
    }
    await new Promise((resolve) => process.stdout.write('P<end>', resolve));
  },

  async 'its child prints megabytes and is killed'() {
    console.log('before');
    const child = started(() => {
      process.stdout.write('C'.repeat(MEGABYTES));
      process.kill(process.pid, 'SIGKILL');
    });
    assert.equal(await child.join(), -9);
    console.log('after');
  },

  async 'it prints to nowhere'() {
    console.log('before');
    await succeeds(() => {
      console.log('in the child');
      process.stdout.write('x'.repeat(MEGABYTES));
      assert.equal(process.stdout.writableLength, 0);
    });
    console.log('after');
    console.error('done');
  },

  async 'it pipes into stdout'() {
    const source = Readable.from(PIPED);
    source.pipe(process.stdout);
    await sleep(1);
    await succeeds(async () => {
      process.stdout.write('y');
      await liveOn();
    });
    await until(() => source.readableEnded && process.stdout.writableLength === 0);
  },

  async 'its stdout is closed'() {
    // The reader is gone when it says so.
    await once(process.stdin.resume(), 'end');
    const report = (what: string): void => void writeSync(2, `${what}\n`);
    const child = started(() => {
      console.log('nobody reads this');
      process.on('exit', () => report('the console does not mind'));
    });
    assert.equal(await child.join(), 0);
    const handling = started(async () => {
      process.stdout.on('error', ({ code, syscall }: NodeJS.ErrnoException) => {
        report(`${syscall} ${code}`);
      });
      process.stdout.write('nobody reads this');
      await sleep(1);
      process.stdout.write('nor this');
    });
    assert.equal(await handling.join(), 0);
    const careless = started(() => process.stdout.write('nobody reads this'));
    assert.equal(await careless.join(), 1);
  },
};

export const tests: Scenarios = {
  async 'stdout: many print at once'() {
    for (const [kind, output] of allOutputs('it prints as its children do')) {
      checkLines(await output, ['parent', ...CHILDREN]);
      assert.ok(kind);
    }
  },

  async 'stdout: many print at once to a terminal'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('it prints as its children do');
    assert.equal((await program.end()).code, 0);
    checkLines(program.stdout.replaceAll('\r\n', '\n'), ['parent', ...CHILDREN]);
  },

  async 'stdout: what the parent had not flushed is printed once'() {
    for (const [, output] of allOutputs('it forks with megabytes unflushed')) {
      checkUnflushed((await output).replaceAll('\n', ''));
    }
  },

  async 'stdout: the same with a slow reader'() {
    const program = throughShell('"$@" | (sleep 1; cat)', 'it forks with megabytes unflushed');
    checkUnflushed((await outputOf(program)).replaceAll('\n', ''));
  },

  async 'stdout: the same on a terminal'() {
    if (!haveTerminals()) return;
    const program = startOnTerminal('it forks with megabytes unflushed');
    assert.equal((await program.end()).code, 0);
    checkUnflushed(program.stdout.replaceAll('\r\n', ''));
  },

  async 'stdout: what the child writes is out when write() returns'() {
    const expected = `before\n${'C'.repeat(MEGABYTES)}after\n`;
    const name = 'its child prints megabytes and is killed';
    for (const [kind, output] of allOutputs(name)) assert.ok((await output) === expected, kind);
    const slow = await outputOf(throughShell('"$@" | (sleep 1; cat)', name));
    assert.ok(slow === expected);
  },

  async 'stdout: /dev/null'() {
    const fd = openSync('/dev/null', constants.O_WRONLY);
    const program = startProgram('it prints to nowhere', { stdio: ['ignore', fd, 'pipe'] });
    closeSync(fd);
    assert.equal((await program.end()).code, 0);
    assert.equal(program.stderr, 'done\n');
  },

  async 'stdout: nobody reads it'() {
    const program = startProgram('its stdout is closed');
    program.process.stdout!.destroy();
    await once(program.process.stdout!, 'close');
    program.process.stdin!.end();
    assert.equal((await program.end()).code, 0);
    assert.match(
      program.stderr,
      /^the console does not mind\nwrite EPIPE\nwrite EPIPE\n(?!.*the console)[^]*Error: write EPIPE/,
    );
  },

  'stdout and stderr: before, in the child, and after': {
    async run() {
      console.log('before');
      console.error('before');
      await succeeds(() => {
        console.log('in the child');
        console.error('in the child');
        return succeeds(() => {
          console.log('in its child');
          console.error('in its child');
        });
      });
      console.log('after');
      console.error('after');
    },
    stdout: 'before\nin the child\nin its child\nafter\n',
    stderr: 'before\nin the child\nin its child\nafter\n',
  },

  'stdout: nothing was printed before the fork': {
    run: () => succeeds(() => console.log('in the child')),
    stdout: 'in the child\n',
  },

  'stdout: what the parent has corked is its own': {
    async run() {
      process.stdout.cork();
      process.stdout.write('from the parent\n');
      await succeeds(() => {
        process.stdout.write('from the child\n');
        process.stdout.cork();
        process.stdout.write('corked ');
        process.stdout.write('there\n');
        process.stdout.uncork();
      });
      process.stdout.uncork();
    },
    stdout: 'from the child\ncorked there\nfrom the parent\n',
  },

  'stdout: callbacks and listeners of the parent': {
    async run() {
      let calls = 0;
      const count = (): void => {
        assert.equal(process.pid, parent);
        calls++;
      };
      process.stdout.write('x'.repeat(MEGABYTES), count);
      process.stdout.once('drain', count);
      await succeeds(async () => {
        await new Promise((resolve) => process.stdout.write('y', resolve));
        await liveOn();
      });
      await until(() => calls === 2);
    },
    stdout: /^x*yx*$/,
  },

  async 'stdout: what the parent pipes into it'() {
    const output = await outputOf(startProgram('it pipes into stdout'));
    assert.equal(output.length, PIPED.length * PIPED[0]!.length + 1);
    assert.equal(output.replace('y', ''), PIPED.join(''));
  },

  'stdout: encodings and kinds of chunks': {
    async run() {
      await succeeds(() => {
        process.stdout.write('6869', 'hex');
        process.stdout.write(Buffer.from(' ä '));
        process.stdout.write(new Uint8Array([0x6f, 0x6b]));
        process.stdout.write(' ünï\n');
        process.stdout.write('');
        assert.throws(() => process.stdout.write(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
        assert.equal(process.stdout.fd, 1);
        assert.equal(process.stderr.fd, 2);
      });
    },
    stdout: 'hi ä ok ünï\n',
  },

  'stdout: one that the program put in its place stays': {
    async run() {
      const { Writable } = await import('node:stream');
      const written: string[] = [];
      const fake = new Writable({
        write(chunk, _, callback) {
          written.push(String(chunk));
          callback();
        },
      });
      Object.defineProperty(process, 'stdout', { value: fake, configurable: true });
      await succeeds(() => {
        process.stdout.write('kept');
        assert.deepEqual(written, ['kept']);
      });
    },
  },
};

export const scenarios: Scenarios = { ...programs, ...tests };
