// The output of the program: progress, a table, or JSON.
import cliProgress from 'cli-progress';
import { readable, type Failure } from './files.js';
import type { Digest } from './hash.js';

/** How often a line is printed where there is no terminal, in milliseconds. */
const INTERVAL = 2000;

export interface Progress {
  add(files: number, bytes: number): void;
  stop(): void;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`;
}

function bar(files: number, bytes: number): Progress {
  const progress = new cliProgress.SingleBar({
    format:
      '{bar} {percentage}% | {files} of {allFiles} files | {done} of {size} | {eta_formatted}',
    stream: process.stderr,
    hideCursor: null,
  });
  const payload = { files: 0, allFiles: files, done: megabytes(0), size: megabytes(bytes) };
  let done = 0;
  progress.start(bytes, 0, payload);
  return {
    add: (moreFiles, moreBytes) => {
      payload.files += moreFiles;
      done += moreBytes;
      progress.update(done, { ...payload, done: megabytes(done) });
    },
    stop: () => progress.stop(),
  };
}

function lines(files: number, bytes: number): Progress {
  let doneFiles = 0;
  let doneBytes = 0;
  const print = (): void => {
    const part = `${doneFiles} of ${files} files, ${megabytes(doneBytes)} of ${megabytes(bytes)}`;
    process.stderr.write(`${part}\n`);
  };
  const timer = setInterval(print, INTERVAL);
  return {
    add: (moreFiles, moreBytes) => {
      doneFiles += moreFiles;
      doneBytes += moreBytes;
    },
    stop: () => {
      clearInterval(timer);
      print();
    },
  };
}

/** A bar on a terminal, plain lines elsewhere. On stderr: stdout is for results. */
export function showProgress(files: number, bytes: number): Progress {
  return process.stderr.isTTY ? bar(files, bytes) : lines(files, bytes);
}

export interface Speed {
  processes: number;
  bytes: number;
  seconds: number;
}

export interface Summary {
  root: string;
  digests: Digest[];
  failures: Failure[];
  seconds: number;
  /** The SHA-512 of what `sha512sum` prints for all the files, by path. */
  sha512: string;
  /** The same part of the files, in memory by then, by one process and by all. */
  one: Speed;
  all: Speed;
}

function rate({ bytes, seconds }: Speed): number {
  return seconds > 0 ? bytes / 1e6 / seconds : 0;
}

function totalBytes(digests: Digest[]): number {
  return digests.reduce((sum, { bytes }) => sum + bytes, 0);
}

function speedUp({ one, all }: Summary): number {
  return rate(one) > 0 ? rate(all) / rate(one) : 1;
}

export function printTable(summary: Summary): void {
  const { digests, failures, seconds, one, all } = summary;
  const bytes = totalBytes(digests);
  const rows = [
    ['directory', summary.root],
    ['files', digests.length.toLocaleString('en')],
    ['bytes', `${bytes.toLocaleString('en')} (${megabytes(bytes)})`],
    ['not digested', String(failures.length)],
    ['seconds', seconds.toFixed(2)],
    ['one process', `${rate(one).toFixed(0)} MB/s`],
    [`${all.processes} processes`, `${rate(all).toFixed(0)} MB/s`],
    ['speed-up', `${speedUp(summary).toFixed(2)}x`],
    ['SHA-512', summary.sha512],
  ];
  const width = Math.max(...rows.map(([name]) => name!.length));
  for (const [name, value] of rows) console.log(`${name!.padEnd(width)}  ${value}`);
}

export function printFailures(failures: Failure[]): void {
  for (const { path, reason } of failures) console.error(`${readable(path)}: ${reason}`);
}

export function printJson(summary: Summary): void {
  const { root, digests, failures, seconds, sha512, one, all } = summary;
  const speed = (of: Speed): object => ({ ...of, megabytesPerSecond: rate(of) });
  const text = JSON.stringify({
    root,
    files: digests.length,
    bytes: totalBytes(digests),
    seconds,
    sha512,
    one: speed(one),
    all: speed(all),
    speedUp: speedUp(summary),
    digests: digests.map((digest) => ({ ...digest, path: readable(digest.path) })),
    failures: failures.map(({ path, reason }) => ({ path: readable(path), reason })),
  });
  process.stdout.write(`${text}\n`);
}
