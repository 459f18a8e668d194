// Finding the files below a directory.
import { readdirSync, lstatSync, type Dirent } from 'node:fs';
import { join } from 'node:path';

/**
 * A name as the file system has it: one character for each byte, whatever encoding
 * the bytes are in.
 */
export type RawPath = string;

export interface FoundFile {
  /** Below the directory, with '/' between the names. */
  path: RawPath;
  /** In bytes, when it was found. */
  size: number;
}

export interface Failure {
  path: RawPath;
  reason: string;
}

/** The path as system calls take it. */
export function bytesOf(path: RawPath): Buffer {
  return Buffer.from(path, 'latin1');
}

/** The path as people read it. */
export function readable(path: RawPath): string {
  return bytesOf(path).toString('utf8');
}

export function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/**
 * All regular files below `root`, by path. Symbolic links are not followed. Files that cannot be
 * looked at go to `failures`.
 */
export function findFiles(root: RawPath, failures: Failure[]): FoundFile[] {
  const files: FoundFile[] = [];
  const directories: RawPath[] = [''];
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const entry of entriesOf(root, directory, failures)) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) directories.push(path);
      else if (entry.isFile()) addFile(root, path, files, failures);
    }
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function entriesOf(root: RawPath, directory: RawPath, failures: Failure[]): Dirent[] {
  try {
    return readdirSync(bytesOf(join(root, directory)), {
      encoding: 'latin1',
      withFileTypes: true,
    });
  } catch (error) {
    // Without the directory itself there is nothing to do.
    if (directory === '') throw error;
    failures.push({ path: directory, reason: reasonOf(error) });
    return [];
  }
}

function addFile(root: RawPath, path: RawPath, files: FoundFile[], failures: Failure[]): void {
  try {
    files.push({ path, size: lstatSync(bytesOf(join(root, path))).size });
  } catch (error) {
    failures.push({ path, reason: reasonOf(error) });
  }
}
