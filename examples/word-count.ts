// The words of all texts below a directory, and how often each occurs: map and reduce, by all
// processors. The texts are in memory once. Workers have them since they were forked.
//
//   node out/examples/word-count.js [directory]       the default is this project's own folder
//   node out/examples/word-count.js --json [directory]
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuCount, Pool } from 'truefork';

const TEXT = /\.(md|txt|rst|html?|[cm]?[jt]sx?|json|ya?ml|py|c|cc|h|sh)$/;
const WORD = /\p{L}+/gu;
/** The number of parts for each process: several, for all to be done at the same time. */
const PARTS_EACH = 8;
/** How many words to print. */
const TOP = 20;

type Counts = Map<string, number>;

function readTexts(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && TEXT.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
}

function countWords(texts: readonly string[]): Counts {
  const counts: Counts = new Map();
  for (const text of texts) {
    for (const [word] of text.matchAll(WORD)) {
      const key = word.toLowerCase();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

function add(sum: Counts, counts: Counts): Counts {
  for (const [word, count] of counts) sum.set(word, (sum.get(word) ?? 0) + count);
  return sum;
}

/** Parts of about the same length: from which text each goes to which. */
function split(texts: readonly string[], parts: number): [from: number, to: number][] {
  const total = texts.reduce((sum, { length }) => sum + length, 0);
  const ranges: [number, number][] = [];
  let from = 0;
  let length = 0;
  for (const [index, text] of texts.entries()) {
    length += text.length;
    if (length < total / parts && index < texts.length - 1) continue;
    ranges.push([from, index + 1]);
    from = index + 1;
    length = 0;
  }
  return ranges;
}

async function countAll(texts: readonly string[]): Promise<Counts> {
  await using pool = new Pool();
  const parts = split(texts, cpuCount() * PARTS_EACH);
  const sum: Counts = new Map();
  // Two numbers go to a worker; what comes back are the counts of its part.
  const countPart = ([from, to]: [number, number]): Counts => countWords(texts.slice(from, to));
  for await (const counts of pool.imapUnordered(countPart, parts)) add(sum, counts);
  return sum;
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const root = resolve(positionals[0] ?? fileURLToPath(new URL('../..', import.meta.url)));
const texts = readTexts(root);
const start = performance.now();
const counts = await countAll(texts);
const seconds = (performance.now() - start) / 1000;
const byCount = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));

if (values.json) {
  console.log(JSON.stringify(Object.fromEntries(byCount)));
} else {
  const characters = texts.reduce((sum, { length }) => sum + length, 0);
  const words = byCount.reduce((sum, [, count]) => sum + count, 0);
  console.log(
    `${texts.length} texts, ${(characters / 1e6).toFixed(1)} million characters, ` +
      `${words} words, ${byCount.length} different ones, ${seconds.toFixed(2)} s\n`,
  );
  for (const [word, count] of byCount.slice(0, TOP)) {
    console.log(`${String(count).padStart(9)}  ${word}`);
  }
}
