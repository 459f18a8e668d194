// import() in a child of a process whose modules go through hooks.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as modules from 'node:module';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { inChild, Pool } from 'truefork';
import { fork, waitpid } from 'truefork/posix';
import type { Scenario, Scenarios } from '../../support/scenarios.js';
import { inScratch, parent, started, succeeds } from './support.js';

interface Loaded {
  value: string;
}

/** Modules from `made:…` exist by the grace of this. */
const MAKER = `data:text/javascript,${encodeURIComponent(`
  export const resolve = (specifier, context, next) =>
    specifier.startsWith('made:') ? { url: specifier, shortCircuit: true } : next(specifier, context);
  export const load = (url, context, next) =>
    url.startsWith('made:')
      ? { format: 'module', source: 'export const value = "made"', shortCircuit: true }
      : next(url, context);
`)}`;

function program(code: string): string {
  return `data:text/javascript,${encodeURIComponent(`import { register } from 'node:module'; ${code}`)}`;
}

function makeModules(): void {
  modules.register(MAKER, import.meta.url);
}

async function valueOf(specifier: string): Promise<string> {
  return ((await import(specifier)) as Loaded).value;
}

/** Modules in files, the second of which imports the first. */
function files(): { leaf: string; root: string } {
  return inScratch((directory) => {
    mkdirSync(directory, { recursive: true });
    const [leaf, root] = [join(directory, 'leaf.mjs'), join(directory, 'root.mjs')];
    writeFileSync(leaf, 'export const value = "leaf";');
    writeFileSync(root, 'export { value } from "./leaf.mjs";');
    return { leaf: pathToFileURL(leaf).href, root: pathToFileURL(root).href };
  });
}

async function importEverything(leaf: string): Promise<void> {
  await import('node:zlib');
  await import('truefork');
  assert.equal(await valueOf(`${leaf}?${process.pid}`), 'leaf');
  assert.equal(import.meta.resolve('node:http'), 'node:http');
  await assert.rejects(valueOf('made:unknown'), { code: 'ERR_UNSUPPORTED_ESM_URL_SCHEME' });
  makeModules();
  assert.equal(await valueOf('made:own'), 'made');
}

function warning(run: () => unknown): Scenario {
  return {
    run,
    stderr:
      /^(.*DEP0205.*\n.*\n)?\(node:\d+\) \[TRUEFORK_LOADER_HOOKS\] TrueforkWarning: .*\n(.*--trace-warnings.*\n)?(.*DEP0205.*\n.*\n)*$/,
  };
}

export const scenarios: Scenarios = {
  'a child, and its child, import without the hooks, and with their own': warning(async () => {
    const { leaf } = files();
    makeModules();
    assert.equal(await valueOf('made:parents'), 'made');
    await succeeds(async () => {
      await importEverything(leaf);
      // A loaded module stays loaded.
      assert.equal(await valueOf('made:parents'), 'made');
      await succeeds(() => importEverything(leaf));
    });
    await succeeds(() => succeeds(() => importEverything(leaf)));
    assert.equal(await valueOf('made:more'), 'made');
  }),

  'so do inChild(), pools and posix.fork()': warning(async () => {
    const { leaf } = files();
    makeModules();
    await inChild(importEverything.bind(undefined, leaf));
    const pool = new Pool(1);
    await pool.apply(importEverything, [leaf]);
    pool.close();
    await pool.join();
    const pid = fork();
    if (pid === 0) {
      await importEverything(leaf);
      process.exit(0);
    }
    assert.equal(waitpid(pid)!.exitcode, 0);
  }),

  'hooks that are older than this package': {
    ...warning(async () => {
      assert.equal(await valueOf('made:parents'), 'made');
      await succeeds(() => importEverything(files().leaf));
    }),
    options: { nodeArgs: ['--import', program(`register(${JSON.stringify(MAKER)}, 'file:///')`)] },
  },

  'the first hooks are those of a child': {
    run: () =>
      succeeds(async () => {
        makeModules();
        assert.equal(await valueOf('made:own'), 'made');
        process.exit(0);
      }),
    stderr: /^(.*DEP0205.*\n.*\n)?$/,
  },

  async 'a child imports what its parent is about to import'() {
    const { leaf, root } = files();
    for (let turns = 0; turns < 6; turns++) {
      const imported = valueOf(`${root}?${turns}`).then(() => assert.equal(process.pid, parent));
      for (let i = 0; i < turns; i++) await turn();
      const child = started(async () => {
        assert.equal(await valueOf(`${root}?${turns}`), 'leaf');
        assert.equal(await valueOf(leaf), 'leaf');
      });
      assert.equal(await child.join(), 0);
      await imported;
    }
  },
};
