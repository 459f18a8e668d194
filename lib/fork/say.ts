// Messages of truefork itself on stderr.
import { precompileForChildren } from '../common/precompiled.js';
import { writeFully } from './forked-child.js';

const STDERR = 2;

/**
 * Writes to stderr, in one write: other processes print as well. Not through `process.stderr`,
 * which programs replace, to keep what is written to it for later.
 */
export function say(text: string): void {
  try {
    writeFully(STDERR, Buffer.from(text));
  } catch {
    // Nobody is there to read it.
  }
}

precompileForChildren(say);
