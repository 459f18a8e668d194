// SHA-512 of every regular file below a directory, by all processors.
//
//   npm start [directory]        the default is this project's own folder
//   npm start -- --json [directory]
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuCount } from 'truefork';
import { bytesOf, findFiles, type Failure, type FoundFile, type RawPath } from './digest/files.js';
import { digestFile, type Digest } from './digest/hash.js';
import { printFailures, printJson, printTable, showProgress, type Speed } from './digest/report.js';
import { shareOut } from './digest/share-out.js';

/** A worker gets so many bytes, or files, at a time: enough to be busy for some milliseconds. */
const JOB_BYTES = 4e6;
const JOB_FILES = 64;
/** How much to digest once more to compare one process with all of them. */
const SAMPLE_BYTES = 300e6;

type Result = Digest | Failure;

function isDigest(result: Result): result is Digest {
  return 'sha512' in result;
}

function bytesDigested(results: Result[]): number {
  return results.reduce((sum, result) => sum + (isDigest(result) ? result.bytes : 0), 0);
}

/** Cuts the files into jobs of about the same size. */
function makeJobs(files: FoundFile[]): FoundFile[][] {
  const jobs: FoundFile[][] = [];
  let bytes = Infinity;
  for (const file of files) {
    if (bytes >= JOB_BYTES || jobs.at(-1)!.length >= JOB_FILES) {
      jobs.push([]);
      bytes = 0;
    }
    jobs.at(-1)!.push(file);
    bytes += file.size;
  }
  return jobs;
}

async function digestAll(
  root: RawPath,
  files: FoundFile[],
  processes: number,
  done: (results: Result[]) => void,
): Promise<Speed> {
  const jobs = makeJobs(files);
  const take = (results: Result[]): void => {
    bytes += bytesDigested(results);
    done(results);
  };
  let bytes = 0;
  const start = performance.now();
  // The workers are forks of this process: they have the list of files already.
  const digestJob = (job: number): Result[] => jobs[job]!.map(({ path }) => digestFile(root, path));
  const lost = await shareOut(digestJob, jobs.length, processes, take);
  for (const job of lost)
    take(jobs[job]!.map(({ path }) => ({ path, reason: 'lost with its worker' })));
  return { processes, bytes, seconds: (performance.now() - start) / 1000 };
}

/** Files from all over the list, not more than SAMPLE_BYTES of them. */
function sampleOf(files: FoundFile[], bytes: number): FoundFile[] {
  const step = Math.max(1, Math.ceil(bytes / SAMPLE_BYTES));
  return files.filter((_, index) => index % step === 0);
}

function digestOfDigests(digests: Digest[]): string {
  const hash = createHash('sha512');
  for (const { sha512, path } of digests) hash.update(`${sha512}  `).update(bytesOf(`${path}\n`));
  return hash.digest('hex');
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new Error('expected one directory');
  const root = resolve(positionals[0] ?? fileURLToPath(new URL('../..', import.meta.url)));
  const rawRoot = Buffer.from(root).toString('latin1');

  const failures: Failure[] = [];
  const files = findFiles(rawRoot, failures);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);

  const progress = showProgress(files.length, bytes);
  const digests: Digest[] = [];
  const processes = cpuCount();
  const { seconds } = await digestAll(rawRoot, files, processes, (results) => {
    for (const result of results) (isDigest(result) ? digests : failures).push(result as never);
    progress.add(
      results.length,
      results.reduce((sum, r) => sum + (isDigest(r) ? r.bytes : 0), 0),
    );
  });
  progress.stop();
  digests.sort((a, b) => (a.path < b.path ? -1 : 1));

  const sample = sampleOf(files, bytes);
  const one = await digestAll(rawRoot, sample, 1, () => {});
  const all = await digestAll(rawRoot, sample, processes, () => {});

  const sha512 = digestOfDigests(digests);
  const summary = { root, digests, failures, seconds, sha512, one, all };
  printFailures(failures);
  (values.json ? printJson : printTable)(summary);
}

try {
  await main();
} catch (error) {
  console.error(`digest: ${(error as Error).message}`);
  process.exitCode = 1;
}
