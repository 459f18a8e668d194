// Names of options that there are not: what somebody may have meant, or what to do instead.

/** Things to say about options that are missing on purpose, by their names in lower case. */
export type Hints = Readonly<Record<string, string>>;

/** Options of Python's that have another form here. */
const PYTHON_HINTS: Hints = {
  block: 'with { timeout: 0 } nothing waits',
  blocking: 'with { timeout: 0 } nothing waits',
  context: 'all processes are forks',
  ctx: 'all processes are forks',
  duplex: 'it is an argument, as in Pipe(false)',
  group: 'there are no groups',
  kwargs: 'pass args, or use a closure',
  kwds: 'pass args, or use a closure',
};

/** How many letters may be wrong in a word that is recognized. */
const MAX_MISTAKES = 3;
/** Beginnings of a word that are recognized have at least this many letters. */
const MIN_BEGINNING = 3;

/** `max_tasks_per_child` and `maxtasksperchild` are the same word as `maxTasksPerChild`. */
function letters(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase();
}

/** Levenshtein's distance: how many letters to add, drop or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** How far `name` is from the word `known`; Infinity if it is another word. */
function mistakes(name: string, known: string): number {
  const [shorter, longer] = name.length < known.length ? [name, known] : [known, name];
  if (shorter.length >= MIN_BEGINNING && longer.startsWith(shorter)) return 1;
  const count = distance(name, known);
  return count <= MAX_MISTAKES && count * 2 < known.length ? count : Infinity;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const scores = known.map((each) => mistakes(letters(name), letters(each)));
  const best = scores.reduce((least, score) => Math.min(least, score), Infinity);
  return best === Infinity ? undefined : known[scores.indexOf(best)];
}

/** Tells somebody who has written `name` what to write, where only `known` names are. */
export function adviceOn(name: string, known: readonly string[], hints: Hints): string {
  const hint = new Map(Object.entries({ ...PYTHON_HINTS, ...hints })).get(letters(name));
  if (hint !== undefined) return hint;
  const meant = nearest(name, known);
  return meant === undefined ? `its options are ${known.join(', ')}` : `did you mean ${meant}?`;
}
