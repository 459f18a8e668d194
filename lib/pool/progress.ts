// How far a job has come, for programs and for people.
import { createRequire } from 'node:module';
import { performance, process } from '../common/originals.js';
import type { Progress } from './options.js';

/** How often a line is printed where there is no terminal, in milliseconds. */
const LINE_INTERVAL_MS = 2000;

/** Called with how far a job has come. */
export interface Watcher {
  update(progress: Progress): void;
  stop(): void;
}

interface Bar {
  start(total: number, value: number): void;
  update(value: number): void;
  stop(): void;
}

interface CliProgress {
  SingleBar: new (options: object) => Bar;
}

/** An optional peer: who wants no bar needs no library. */
function loadBars(): CliProgress | undefined {
  try {
    return createRequire(import.meta.url)('cli-progress') as CliProgress;
  } catch {
    return undefined;
  }
}

function showBar({ SingleBar }: CliProgress): Watcher {
  let bar: Bar | undefined;
  return {
    update: ({ done, total }) => {
      const known = '{bar} {percentage}% | {value} of {total} | {eta_formatted}';
      if (bar === undefined) {
        const format = total === undefined ? '{value} done in {duration_formatted}' : known;
        bar = new SingleBar({ format, stream: process.stderr, hideCursor: null });
        bar.start(total ?? done, 0);
      }
      bar.update(done);
    },
    stop: () => bar?.stop(),
  };
}

function showLines(): Watcher {
  let last: Progress | undefined;
  let printed = performance.now();
  const print = (): void => {
    const { done, total } = last!;
    process.stderr.write(total === undefined ? `${done} done\n` : `${done} of ${total} done\n`);
    printed = performance.now();
    last = undefined;
  };
  return {
    update: (progress) => {
      last = progress;
      if (performance.now() - printed >= LINE_INTERVAL_MS) print();
    },
    stop: () => {
      if (last !== undefined) print();
    },
  };
}

function show(): Watcher {
  const bars = process.stderr.isTTY ? loadBars() : undefined;
  return bars === undefined ? showLines() : showBar(bars);
}

/** Tells those whom the options name; undefined if they name nobody. */
export function makeWatcher(options: {
  onProgress?: ((progress: Progress) => void) | undefined;
  progress?: boolean | undefined;
}): Watcher | undefined {
  const { onProgress } = options;
  const shown = options.progress === true ? show() : undefined;
  if (onProgress === undefined) return shown;
  return {
    update: (progress) => {
      shown?.update(progress);
      onProgress(progress);
    },
    stop: () => shown?.stop(),
  };
}
