// Exceptions that nobody catches in a child are not the parent's: not its domains' either, in one
// of which each line of a REPL runs.
import assert from 'node:assert/strict';
import type domains from 'node:domain';
import { inChild } from 'truefork';
import { startCommand } from '../../support/programs.js';
import type { Scenarios } from '../../support/scenarios.js';
import { parent, started, succeeds } from './support.js';

function throwLater(message: string): void {
  setTimeout(() => {
    throw new Error(message);
  }, 1);
}

/** Runs `run` in a domain, and returns the exceptions that this gets. */
async function inDomain(run: (create: typeof domains.create) => Promise<void>): Promise<string[]> {
  // A program that loads it cannot have a callback for exceptions.
  const { create } = await import('node:domain');
  const caught: string[] = [];
  const domain = create();
  domain.on('error', ({ message }) => {
    assert.equal(process.pid, parent);
    caught.push(message);
  });
  await domain.run(() => run(create));
  return caught;
}

type Handler = (error: Error) => boolean;

/** The callbacks that Node 26 has beside that of process.setUncaughtExceptionCaptureCallback(). */
const { addUncaughtExceptionCaptureCallback: addHandler } = process as typeof process & {
  addUncaughtExceptionCaptureCallback?: (handler: Handler) => void;
};

/** In one line, as a REPL wants it. */
const PROGRAM =
  `import(${JSON.stringify(import.meta.resolve('truefork'))})` +
  '.then(({ inChild }) => inChild(() => process.ppid))' +
  ".then((pid) => console.log(pid === process.pid ? 'works' : 'fails'), console.log)";

/** Ways to give a program to Node: its arguments, and what comes on stdin. */
const WAYS: Record<string, [args: string[], input: string]> = {
  '-e': [['-e', PROGRAM], ''],
  'a module with -e': [['--input-type=module', '-e', `await ${PROGRAM}`], ''],
  'a script on stdin': [['-'], PROGRAM],
  'a REPL': [['-i'], `${PROGRAM}\n`],
};

export const scenarios: Scenarios = {
  'a fork in a domain': {
    async run() {
      const caught = await inDomain(async (create) => {
        await succeeds(() => {});
        assert.equal(await inChild(async () => 42), 42);
        assert.equal(await started(() => throwLater('in the child')).join(), 1);
        await succeeds(async () => {
          const own = create();
          const error = new Promise<Error>((resolve) => own.once('error', resolve));
          own.run(() => throwLater("in the child's own"));
          assert.equal((await error).message, "in the child's own");
        });
        throwLater('in the parent');
        await new Promise((resolve) => setTimeout(resolve, 20));
      });
      assert.deepEqual(caught, ['in the parent']);
    },
    stderr: /Error: in the child\n/,
  },

  'callbacks for exceptions': {
    async run() {
      let caught = 0;
      const handle: Handler = () => {
        assert.equal(process.pid, parent);
        caught++;
        return true;
      };
      if (addHandler === undefined) process.setUncaughtExceptionCaptureCallback(handle);
      else addHandler(handle);
      assert.equal(await started(() => throwLater('in the child')).join(), 1);
      throwLater('in the parent');
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(caught, 1);
    },
    stderr: /Error: in the child\n/,
  },

  async 'programs that are no files'() {
    for (const [way, [args, input]] of Object.entries(WAYS)) {
      const program = startCommand([process.execPath, ...args]);
      program.process.stdin!.write(input);
      // A REPL ends with its input.
      if (way !== 'a REPL') program.process.stdin!.end();
      await program.printed(/works\n/);
      program.process.stdin!.end();
      assert.equal((await program.end()).code, 0, way);
    }
  },
};
