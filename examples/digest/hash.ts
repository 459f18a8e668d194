// The digest of one file.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, reasonOf, type Failure, type RawPath } from './files.js';

export interface Digest {
  path: RawPath;
  /** How many bytes were read. */
  bytes: number;
  /** In hexadecimal digits. */
  sha512: string;
}

const buffer = Buffer.allocUnsafe(1024 * 1024);

// Something else may be in the file's place by now: O_NONBLOCK, so that a FIFO is
// not waited for.
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Reads and digests a file, or says why that cannot be. */
export function digestFile(root: RawPath, path: RawPath): Digest | Failure {
  let fd: number;
  try {
    fd = openSync(bytesOf(join(root, path)), FLAGS);
  } catch (error) {
    return { path, reason: reasonOf(error) };
  }
  try {
    return fstatSync(fd).isFile() ? digestContents(fd, path) : { path, reason: 'not a file' };
  } catch (error) {
    return { path, reason: reasonOf(error) };
  } finally {
    closeSync(fd);
  }
}

function digestContents(fd: number, path: RawPath): Digest {
  const hash = createHash('sha512');
  let bytes = 0;
  for (let count = -1; count !== 0; bytes += count) {
    count = readSync(fd, buffer);
    hash.update(buffer.subarray(0, count));
  }
  return { path, bytes, sha512: hash.digest('hex') };
}
