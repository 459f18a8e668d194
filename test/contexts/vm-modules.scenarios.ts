// Loaded as jest loads modules: in a context of node:vm, with a `process` that is a copy.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import vm, { type Module } from 'node:vm';
import type { Scenarios } from '../support/scenarios.js';

const require = createRequire(import.meta.url);

class Loader {
  readonly #context = vm.createContext();
  readonly #modules = new Map<string, Module>();

  constructor() {
    const theirs = vm.runInContext('globalThis', this.#context) as object;
    const ours = new Set(['ArrayBuffer', 'Uint8Array']);
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      if (name in theirs && !ours.has(name)) continue;
      const value: unknown = Reflect.get(globalThis, name);
      Reflect.set(theirs, name, name === 'process' ? { ...process } : value);
    }
  }

  async load(url: string): Promise<Module> {
    const module = this.#module(url);
    if (module.status === 'unlinked') {
      await module.link((specifier, { identifier }) => this.#link(specifier, identifier));
      await module.evaluate();
    }
    return module;
  }

  /** The value of `source` in the context. */
  run(source: string): unknown {
    return vm.runInContext(source, this.#context);
  }

  #link(specifier: string, from: string): Module {
    return this.#module(specifier.startsWith('.') ? new URL(specifier, from).href : specifier);
  }

  #module(url: string): Module {
    const module =
      this.#modules.get(url) ?? (url.startsWith('node:') ? this.#builtin(url) : this.#source(url));
    this.#modules.set(url, module);
    return module;
  }

  #source(url: string): Module {
    return new vm.SourceTextModule(readFileSync(fileURLToPath(url), 'utf8'), {
      identifier: url,
      context: this.#context,
      initializeImportMeta: (meta) => void (meta.url = url),
    });
  }

  #builtin(id: string): Module {
    const exports = { default: require(id) as object, ...(require(id) as object) };
    return new vm.SyntheticModule(
      Object.keys(exports),
      function () {
        for (const [name, value] of Object.entries(exports)) this.setExport(name, value);
      },
      { identifier: id, context: this.#context },
    );
  }
}

/** The program that runs in the context; it is given the two modules of the package. */
const PROGRAM = `async ({ inChild, Process, Pool, Lock, Queue }, { fork, waitpid, _exit }) => {
  const equal = (actual, expected) => {
    if (actual !== expected) throw new Error(actual + ' is not ' + expected);
  };
  const exitcodeOf = async (target) => {
    const child = new Process({ target });
    child.start();
    return child.join();
  };
  equal(await inChild(() => process.pid === process.ppid), false);
  equal(await inChild(async () => 42), 42);
  equal(await exitcodeOf(() => {}), 0);
  equal(await exitcodeOf(() => void setTimeout(() => (process.exitCode = 5), 1)), 5);
  equal(await exitcodeOf(() => exitcodeOf(() => {})), 0);
  const pid = fork();
  if (pid === 0) _exit(7);
  equal(waitpid(pid).exitcode, 7);
  const lock = new Lock();
  lock.acquireSync();
  equal(await lock.acquire({ timeout: 10 }), false);
  const queue = new Queue();
  await queue.put(new Map([[1, 2]]));
  equal((await queue.get()).get(1), 2);
  const pool = new Pool(1);
  equal(String(await pool.map((x) => x + 1, [1, 2])), '2,3');
  pool.close();
  await pool.join();
}`;

export const scenarios: Scenarios = {
  'everything works': {
    async run() {
      const loader = new Loader();
      const [index, posix] = [
        await loader.load(import.meta.resolve('truefork')),
        await loader.load(import.meta.resolve('truefork/posix')),
      ];
      const program = loader.run(`(${PROGRAM})`) as (...modules: object[]) => Promise<void>;
      await program(index.namespace, posix.namespace);
    },
    options: { nodeArgs: ['--experimental-vm-modules'] },
  },
};
