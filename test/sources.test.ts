// Rules for the sources that no linter keeps.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));

function sources(): string[] {
  const names = readdirSync(LIB, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(LIB, name));
}

// A call takes some 120,000 arguments at most: what is data is passed one by one, or as one array.
const SPREADS =
  /\b(?:push|unshift|splice|max|min|fromCharCode|fromCodePoint|assign)\((?:[^()]*, )?\.\.\.(?!\w+: )/;

test('no data is spread into the arguments of a call', () => {
  const found = sources().filter((path) => SPREADS.test(readFileSync(path, 'utf8')));
  assert.deepEqual(found, []);
});

const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));

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
  const names = readdirSync(NATIVE, { recursive: true, encoding: 'utf8' });
  for (const name of names.filter((each) => /\/.*\.(?:cc|h)$/.test(each))) {
    const folder = name.split('/')[0]!;
    const text = readFileSync(join(NATIVE, name), 'utf8');
    for (const [, included] of text.matchAll(/^#include "(\w+)\//gm)) {
      const isBelow = included === folder || INCLUDES[folder]?.includes(included!);
      if (!isBelow) wrong.push(`native/${name} includes native/${included}`);
    }
  }
  assert.deepEqual(wrong, []);
});

const COLUMNS = 100;

test('comments keep the line length of the code', () => {
  const long: string[] = [];
  for (const path of sources()) {
    for (const [i, line] of readFileSync(path, 'utf8').split('\n').entries()) {
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
  const native = readdirSync(NATIVE, { recursive: true, encoding: 'utf8' });
  const paths = native.filter((name) => /\.(?:cc|h)$/.test(name)).map((name) => join(NATIVE, name));
  const found = [...sources(), ...paths].flatMap((path) =>
    comments(readFileSync(path, 'utf8'))
      .filter((comment) => CLAUSE_FIRST.test(comment))
      .map((comment) => `${path}: ${CLAUSE_FIRST.exec(comment)![0].trim()}`),
  );
  assert.deepEqual(found, []);
});

test('every source opens with what it is for', () => {
  const bare = sources().filter((path) => !/^\/[/*]/.test(readFileSync(path, 'utf8')));
  assert.deepEqual(bare, []);
});
