// A child has immediates of its own, whatever its parent was about to do.
import assert from 'node:assert/strict';
import { Pipe, type Process } from 'truefork';
import { sleep } from '../../support/observe.js';
import type { Scenario, Scenarios } from '../../support/scenarios.js';
import { started } from './support.js';

/** Run Node with --expose-gc. */
declare const gc: () => void;

/** Needs the loop to go on, three times, for nothing but an immediate. */
function goOn(): void {
  setImmediate(() => setImmediate(() => setImmediate(() => console.log('child'))));
}

/** How a child can be started while three immediates are due. */
const MOMENTS: Record<string, (start: () => void) => void> = {
  first(start) {
    setImmediate(start);
    setImmediate(() => console.log('second'));
    setImmediate(() => console.log('third'));
  },
  second(start) {
    setImmediate(() => console.log('first'));
    setImmediate(start);
    setImmediate(() => console.log('third'));
  },
  third(start) {
    setImmediate(() => console.log('first'));
    setImmediate(() => console.log('second'));
    setImmediate(start);
  },
  'between two'(start) {
    setImmediate(() => queueMicrotask(start));
    setImmediate(() => console.log('second'));
    setImmediate(() => console.log('third'));
  },
  'before one without a ref'(start) {
    setImmediate(() => console.log('first'));
    setImmediate(start);
    setImmediate(() => console.log('third')).unref();
  },
};

async function startAt(moment: (start: () => void) => void): Promise<void> {
  const child = await new Promise<Process>((resolve) => {
    moment(() => resolve(started(goOn)));
  });
  assert.equal(await child.join(), 0);
}

const whileSomeAreDue = Object.entries(MOMENTS).map(([name, moment]): [string, Scenario] => [
  `a start while some are due: ${name}`,
  // Each of the parent's once, and the child's.
  {
    run: () => startAt(moment),
    stdout: /^(?=[^]*child\n)(?:(first|second|third|child)\n(?![^]*\1)){3}$/,
  },
]);

/** Objects of an addon, whose finalizers Node calls in the next turn of the loop. */
async function makeGarbage(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const [reader, writer] = Pipe(false);
    const message = reader.recv();
    writer.sendSync(i);
    await message;
    for (const end of [reader, writer]) end.close();
  }
}

export const scenarios: Scenarios = {
  ...Object.fromEntries(whileSomeAreDue),

  // Node counts what it has to do in the next turn of the loop as immediates.
  'a start while finalizers are due': {
    async run() {
      await makeGarbage();
      await sleep(5);
      gc();
      const child = started(goOn);
      assert.equal(await child.join(), 0);
    },
    stdout: 'child\n',
    options: { nodeArgs: ['--expose-gc'] },
  },
};
