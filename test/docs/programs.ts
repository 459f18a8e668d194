// The snippets of the documentation, made into programs that can run.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { surroundings } from './surroundings.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Inside of the package, which its own name then leads to. */
const DIRECTORY = join(ROOT, 'out/snippets');
const DOCUMENTS = ['README.md', 'docs/guide.md', 'docs/limits.md'];
const SOURCES = 'lib';

export interface Program {
  /** Where the snippet stands: `docs/guide.md, Queues, 1`. */
  name: string;
  /** The path of the program. */
  path: string;
  stdout: string | RegExp;
}

/** The snippets of a document, by the headings that they stand under and their number there. */
function snippetsOf(document: string): Map<string, string> {
  const found = new Map<string, string>();
  let headings: string[] = [];
  let number = 0;
  const text = readFileSync(join(ROOT, document), 'utf8');
  for (const [, marks, title, code] of text.matchAll(/^(#+) (.*)$|^```js\n([^]*?)^```$/gm)) {
    if (code === undefined) {
      headings = [...headings.slice(0, marks!.length - 1), title!];
      number = 0;
    } else {
      found.set([document, ...headings.slice(1), ++number].join(', '), code);
    }
  }
  return found;
}

/** The examples that stand above what a module declares, by their number there. */
function examplesOf(module: string): Map<string, string> {
  const text = readFileSync(join(ROOT, module), 'utf8');
  const examples = [...text.matchAll(/^ *\* ```ts\n([^]*?)^ *\* ```$/gm)];
  return new Map(
    examples.map(([, lines], i) => [`${module}, ${i + 1}`, lines!.replaceAll(/^ *\* ?/gm, '')]),
  );
}

function modules(): string[] {
  const files = readdirSync(join(ROOT, SOURCES), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.ts')).map((file) => join(SOURCES, file));
}

/** Puts what a snippet takes for granted around it. Throws for one of which that is not known. */
function complete(name: string, code: string): string {
  const around = surroundings[name];
  if (around === undefined) throw new Error(`test/docs/surroundings.ts has no '${name}'`);
  const { before = '', after = '', replace = [] } = around;
  let completed = code;
  for (const [from, to] of replace) {
    if (!code.includes(from)) throw new Error(`there is no ${from} in '${name}'`);
    completed = completed.replaceAll(from, to);
  }
  return `import assert from 'node:assert/strict';\n${before}\n${completed}\n${after}\n`;
}

/**
 * Types are not JavaScript, nor is `using` before Node 24: the compiler writes them in other words.
 */
function lower(directory: string): void {
  const compilerOptions = {
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    noCheck: true,
    noResolve: true,
    outDir: 'lowered',
    rootDir: '.',
    target: 'es2022',
    types: [],
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['--project', directory], { stdio: 'inherit' });
}

/** Writes a program for each snippet. */
export function writePrograms(): Program[] {
  mkdirSync(DIRECTORY, { recursive: true });
  const directory = mkdtempSync(join(DIRECTORY, 'run-'));
  const snippets = [
    ...DOCUMENTS.flatMap((document) => [...snippetsOf(document)]),
    ...modules().flatMap((module) => [...examplesOf(module)]),
  ];
  const names = new Set(snippets.map(([name]) => name));
  const unused = Object.keys(surroundings).filter((name) => !names.has(name));
  if (unused.length > 0) throw new Error(`no document has ${unused.join('; ')}`);
  for (const [i, [name, code]] of snippets.entries()) {
    writeFileSync(join(directory, `${i}.mts`), complete(name, code));
  }
  lower(directory);
  return snippets.map(([name], i) => ({
    name,
    path: join(directory, 'lowered', `${i}.mjs`),
    stdout: surroundings[name]!.stdout ?? '',
  }));
}
