// What the linter checks, and among it the plan of the house: which layer of lib/ may import which
// (docs/architecture.md).

/**
 * The layers of lib/, each a folder, and the layers that it may import. `because` is what a message
 * says of any other. A layer that is named before another one never imports it.
 */
export const LAYERS = {
  common: {
    imports: [],
    because: 'it is what every layer can use, and knows nothing of processes',
  },
  native: {
    imports: ['common'],
    because: 'it is the addon with types, and has no logic of its own',
  },
  posix: {
    imports: ['common', 'native'],
    because: 'it is thin system calls, which know nothing of what they are used for',
  },
  fork: {
    imports: ['common', 'native', 'posix'],
    because:
      'a fork takes along whatever there is; who needs something of it registers that in common/per-process',
  },
  process: {
    imports: ['common', 'posix', 'fork'],
    because: 'a process is started and waited for, and sends nothing',
  },
  serialize: {
    imports: ['common', 'native', 'posix', 'fork'],
    because:
      'it makes bytes of values; a class that can be sent registers itself in serialize/shareables',
  },
  connection: {
    imports: ['common', 'native', 'posix', 'fork', 'serialize'],
    because:
      'it carries messages between any two processes, also those that truefork has not started',
  },
  memory: {
    imports: ['common', 'posix', 'fork', 'serialize'],
    because: 'it is memory; whoever waits for a change of it is in futex',
  },
  futex: {
    imports: ['common', 'native', 'fork', 'memory'],
    because: 'it is waiting for words in memory, below locks and queues alike',
  },
  synchronize: {
    imports: ['common', 'serialize', 'memory', 'futex'],
    because: 'locks are words in memory and the waiting for them',
  },
  queues: {
    imports: ['common', 'native', 'posix', 'fork', 'serialize', 'futex'],
    because: 'queues are rings of records and the waiting for them',
  },
  sharedctypes: {
    imports: ['common', 'posix', 'serialize', 'memory', 'synchronize'],
    because: 'values and arrays are memory with a lock',
  },
  'in-child': {
    imports: ['common', 'fork', 'process', 'serialize', 'connection'],
    because: 'one call in a child needs a process and a pipe',
  },
  pool: {
    imports: ['common', 'posix', 'fork', 'process', 'serialize'],
    because: 'a pool has lines of its own to its workers, which are processes',
  },
  managers: {
    imports: [
      'common',
      'posix',
      'fork',
      'process',
      'serialize',
      'connection',
      'memory',
      'futex',
      'synchronize',
      'queues',
      'sharedctypes',
      'pool',
    ],
    because: 'a manager offers all the others in a server, and none of them needs it',
  },
};

const NAMES = Object.keys(LAYERS);

/**
 * Programs replace these: lib/common/originals.ts and lib/fork/leave.ts have them as Node made
 * them.
 */
const REPLACED_MODULES = [
  'node:timers',
  'node:timers/promises',
  { name: 'node:perf_hooks', importNames: ['performance'] },
];

/** The imports of lib/`from` that are refused. */
function restrictedImports(from) {
  const { imports, because } = LAYERS[from];
  const patterns = NAMES.filter((name) => name !== from && !imports.includes(name)).map((name) => ({
    regex: `^(\\.\\./)+${name}/`,
    message: `lib/${from} does not import lib/${name}: ${because} (the layers: oxlint.config.mjs, docs/architecture.md).`,
  }));
  if (from !== 'native') {
    patterns.push({
      regex: 'native/addon\\.js$',
      message:
        'Only lib/native imports the addon: use the file there that has types for the functions.',
    });
  }
  return ['error', { paths: REPLACED_MODULES, patterns }];
}

export default {
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'node'],
  categories: { correctness: 'error', suspicious: 'error', perf: 'error' },
  rules: {
    'import/no-cycle': ['error', { ignoreTypes: false }],
    // One after the other is what most loops here mean to say.
    'eslint/no-await-in-loop': 'off',
    // Node's internals have no types, and system calls give numbers.
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/unbound-method': 'off',
    'eslint/no-underscore-dangle': 'off',
    // A helper stands where it is used.
    'unicorn/consistent-function-scoping': 'off',
    'oxc/no-map-spread': 'off',
  },
  overrides: [
    {
      files: ['lib/**/*.ts'],
      rules: {
        'eslint/max-lines': ['error', { max: 400, skipBlankLines: true }],
        'eslint/no-restricted-globals': [
          'error',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'clearTimeout',
          'clearInterval',
          'clearImmediate',
          'queueMicrotask',
          'performance',
          'process',
        ],
        'eslint/no-restricted-imports': ['error', { paths: REPLACED_MODULES }],
        'eslint/no-restricted-properties': [
          'error',
          { object: 'process', property: 'exit' },
          { object: 'process', property: 'reallyExit' },
          { object: 'process', property: 'nextTick' },
          { object: 'process', property: 'emitWarning' },
          { object: 'Date', property: 'now' },
        ],
      },
    },
    ...NAMES.map((name) => ({
      files: [`lib/${name}/**/*.ts`],
      rules: { 'eslint/no-restricted-imports': restrictedImports(name) },
    })),
    {
      files: ['lib/common/originals.ts'],
      rules: {
        'eslint/no-restricted-imports': 'off',
        'eslint/no-restricted-properties': 'off',
      },
    },
    {
      files: ['**/*.test.ts'],
      rules: { 'typescript/no-floating-promises': 'off' },
    },
  ],
  ignorePatterns: ['dist', 'out', 'build'],
};
