// Rules for the sources that no linter keeps.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The paths of all sources in a folder. */
function sourcesIn(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /\.(?:ts|cts|cc|h)$/.test(name)).map((name) => join(folder, name));
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

const LIB = sourcesIn('lib');
const NATIVE = sourcesIn('native');
const OTHERS = ['test', 'bench', 'examples'].flatMap(sourcesIn);

// A call takes some 120,000 arguments at most: what is data is passed one by one, or as one array.
const SPREADS =
  /\b(?:push|unshift|splice|max|min|fromCharCode|fromCodePoint|assign)\((?:[^()]*, )?\.\.\.(?!\w+: )/;

test('no data is spread into the arguments of a call', () => {
  const found = LIB.filter((path) => SPREADS.test(textOf(path)));
  assert.deepEqual(found, []);
});

/**
 * The folders of native/, and those that their files include. The arrows of lib/ are kept by
 * oxlint.config.mjs.
 */
const INCLUDES: Record<string, readonly string[]> = {
  base: [],
  node: ['base'],
  loop: ['base', 'node'],
  fork: ['base', 'node', 'loop'],
  io: ['base'],
  posix: ['base'],
  sync: ['base'],
  memory: ['base', 'sync'],
  queue: ['base', 'sync', 'memory'],
  waiter: ['base', 'sync', 'queue'],
};

test('native code includes what is below it', () => {
  const wrong: string[] = [];
  for (const path of NATIVE) {
    const [, folder, file] = path.split('/');
    if (file === undefined) continue; // addon.cc is above all
    for (const [, included] of textOf(path).matchAll(/^#include "(\w+)\//gm)) {
      const isBelow = included === folder || INCLUDES[folder!]?.includes(included!);
      if (!isBelow) wrong.push(`${path} includes native/${included}`);
    }
  }
  assert.deepEqual(wrong, []);
});

const COLUMNS = 100;

test('comments keep the line length of the code', () => {
  const long: string[] = [];
  for (const path of [...LIB, ...OTHERS]) {
    for (const [i, line] of textOf(path).split('\n').entries()) {
      const isComment = /^\s*(?:\/\/(?! oxlint-)|\/?\*)/.test(line);
      if (line.length > COLUMNS && isComment) long.push(`${path}:${i + 1}`);
    }
  }
  assert.deepEqual(long, []);
});

/** The words of a file's comments, without their marks; one string for each comment. */
function comments(text: string): string[] {
  const found = text.match(/\/\*[^]*?\*\/|(?:^[ \t]*\/\/.*\n)+|\/\/.*/gm) ?? [];
  return found.map((comment) => comment.replaceAll(/^\s*(?:\/\*\*?|\*\/|\*|\/\/) ?| *\*\/$/gm, ''));
}

// Such a beginning makes a reader wait for the subject of the sentence.
const CLAUSE_FIRST = /(?:^|[.!:;]\s+|\n\s*\n)(?:What|Who|Whoever|Those|So many) [^.?]*(?:\.|$)/;

test('sentences of comments begin with their subject', () => {
  const found = [...LIB, ...NATIVE, ...OTHERS].flatMap((path) =>
    comments(textOf(path))
      .filter((comment) => CLAUSE_FIRST.test(comment))
      .map((comment) => `${path}: ${CLAUSE_FIRST.exec(comment)![0].trim()}`),
  );
  assert.deepEqual(found, []);
});

test('every source of the library opens with what it is for', () => {
  const bare = LIB.filter((path) => !/^\/[/*]/.test(textOf(path)));
  assert.deepEqual(bare, []);
});
