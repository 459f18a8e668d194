// The promises of registerAtFork().
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { Process } from 'truefork';
import { _exit, fork, registerAtFork } from 'truefork/posix';
import { assertGood, forked, WRONG_TYPE } from '../posix/support.js';
import { children, countDescriptors, sleep } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

export const scenarios: Scenarios = {
  async 'the order of hooks'() {
    const calls: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      registerAtFork({
        before: () => calls.push(`before ${name}`),
        afterInParent: () => calls.push(`parent ${name}`),
        afterInChild: () => calls.push(`child ${name}`),
      });
    }
    registerAtFork({});
    const before = ['before c', 'before b', 'before a'];
    const inChild = [...before, 'child a', 'child b', 'child c'];
    const child = forked(() => {
      assert.deepEqual(calls, inChild);
      // They are registered in the child as well.
      assertGood(forked(() => assert.deepEqual(calls, [...inChild, ...inChild])));
      assert.deepEqual(calls.slice(inChild.length + 3), ['parent a', 'parent b', 'parent c']);
    });
    const inParent = [...before, 'parent a', 'parent b', 'parent c'];
    assert.deepEqual(calls, inParent);
    assertGood(child);
    const process = new Process({ target: () => assert.deepEqual(calls.slice(6), inChild) });
    process.start();
    assert.deepEqual(calls.slice(6), inParent);
    assert.equal(await process.join(), 0);
  },

  async 'what `before` throws stops the fork'() {
    const calls: string[] = [];
    let isInTheWay = true;
    const hook = (name: string, before = (): void => {}): void => {
      registerAtFork({
        before() {
          calls.push(`before ${name}`);
          before();
        },
        afterInParent: () => calls.push(`parent ${name}`),
        afterInChild: () => calls.push(`child ${name}`),
      });
    };
    hook('a');
    hook('b', () => {
      if (isInTheWay) throw new RangeError('not now');
    });
    hook('c');
    hook('d');
    const descriptors = countDescriptors();
    const prepared = ['before d', 'before c', 'before b', 'parent c', 'parent d'];
    assert.throws(() => fork(), { name: 'RangeError', message: 'not now' });
    assert.deepEqual(calls, prepared);
    const process = new Process();
    assert.throws(() => process.start(), { message: 'not now' });
    assert.deepEqual(calls, [...prepared, ...prepared]);
    assert.equal(children().size, 0);
    assert.equal(countDescriptors(), descriptors);
    isInTheWay = false;
    assertGood(forked(() => {}));
    process.start();
    assert.equal(await process.join(), 0);
  },

  'what an after hook throws is a warning': {
    async run() {
      registerAtFork({
        afterInParent() {
          throw new Error('in the parent');
        },
        afterInChild() {
          throw new Error('in the child');
        },
      });
      let others = 0;
      registerAtFork({ afterInParent: () => others++, afterInChild: () => others++ });
      const child = fork();
      assert.equal(others, 1);
      const [warning] = await once(process, 'warning');
      assert.equal((warning as Error).message, `in the ${child === 0 ? 'child' : 'parent'}`);
      if (child !== 0) assertGood(child);
    },
    stderr: /Error: in the (child|parent)\n[^]*Error: in the (?!\1)(child|parent)\n/,
  },

  'what an after hook throws need not be an error': {
    async run() {
      const things = ['a string', undefined, null, 42, { an: 'object' }];
      for (const thing of things) {
        const raise = (): void => {
          // oxlint-disable-next-line typescript/only-throw-error -- as the scenario says
          throw thing;
        };
        const unregister = registerAtFork({ afterInParent: raise, afterInChild: raise });
        assertGood(forked(() => {}));
        unregister();
      }
      assert.equal(children().size, 0);
    },
    stderr: /./,
  },

  async 'taking a registration back'() {
    const calls: string[] = [];
    const hooks = { before: () => calls.push('called') };
    const first = registerAtFork(hooks);
    const second = registerAtFork(hooks);
    assertGood(forked(() => {}));
    assert.equal(calls.length, 2);
    first();
    first(); // is not the second
    assertGood(forked(() => {}));
    assert.equal(calls.length, 3);
    second();
    assertGood(forked(() => assert.equal(calls.length, 3)));
    assert.equal(calls.length, 3);
  },

  async 'taking a registration back in a child is its own affair'() {
    const calls: string[] = [];
    const unregister = registerAtFork({ before: () => calls.push('called') });
    const child = forked(() => {
      unregister();
      assertGood(forked(() => {}));
      assert.equal(calls.length, 1);
    });
    assertGood(child);
    assertGood(forked(() => {}));
    assert.equal(calls.length, 2);
  },

  async 'a fork that has begun comes to its end for those who prepared'() {
    const calls: string[] = [];
    const hooks = (name: string): Parameters<typeof registerAtFork>[0] => ({
      before: () => calls.push(`before ${name}`),
      afterInParent: () => calls.push(`parent ${name}`),
      afterInChild: () => calls.push(`child ${name}`),
    });
    registerAtFork({
      before() {
        calls.push('before a');
        unregister();
        registerAtFork(hooks('late'));
      },
    });
    const unregister = registerAtFork(hooks('b'));
    const child = forked(() => {
      assert.deepEqual(calls, ['before b', 'before a', 'child b']);
    });
    assert.deepEqual(calls, ['before b', 'before a', 'parent b']);
    assertGood(child);
  },

  async 'a hook that takes itself back while it is called'() {
    const calls: string[] = [];
    const unregister = registerAtFork({
      afterInParent() {
        calls.push('once');
        unregister();
      },
    });
    registerAtFork({ afterInParent: () => calls.push('always') });
    assertGood(forked(() => {}));
    assertGood(forked(() => {}));
    assert.deepEqual(calls, ['once', 'always', 'always']);
  },

  async 'a fork in an after hook'() {
    let isFirst = true;
    const pids: number[] = [];
    const forkAgain = (): void => {
      if (!isFirst) return;
      isFirst = false;
      pids.push(forked(() => {}));
    };
    registerAtFork({ afterInParent: forkAgain });
    const child = forked(() => {
      registerAtFork({ afterInChild: forkAgain });
      assertGood(forked(() => assertGood(pids.pop()!)));
    });
    assertGood(child);
    assertGood(pids.pop()!);
  },

  async 'a process that a hook starts in the child does not hold up the parent'() {
    const unregister = registerAtFork({
      afterInChild() {
        unregister();
        helper = new Process({ target: () => sleep(40_000), daemon: true });
        helper.start();
      },
    });
    let helper: Process;
    const before = performance.now();
    const child = fork();
    // The limit after which a child counts as hung is 30 seconds.
    assert.ok(performance.now() - before < 20_000);
    if (child === 0) {
      helper!.kill();
      _exit(helper!.joinSync() === -9 ? 0 : 1);
    }
    assertGood(child);
  },

  async 'hooks are checked where they are registered'() {
    const register = registerAtFork as (hooks: unknown) => unknown;
    for (const wrong of [undefined, null, 1, () => {}, { before: 1 }, { afterInChild: 'x' }]) {
      assert.throws(() => register(wrong), WRONG_TYPE, inspect(wrong));
    }
  },
};
