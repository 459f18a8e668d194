// Two ends that are connected, for a process and its children.
import { assertType } from '../common/validate.js';
import { pipe, socketpair } from '../posix/descriptors.js';
import { FAMILY, setSource, Source } from '../serialize/origin.js';
import { Connection } from './connection.js';

function duplexEnds(): [Connection, Connection] {
  const [a, b] = socketpair();
  return [new Connection(a), new Connection(b)];
}

function simplexEnds(): [Connection, Connection] {
  const [reader, writer] = pipe();
  return [new Connection(reader, { writable: false }), new Connection(writer, { readable: false })];
}

/**
 * Two connected ends, as Python's `multiprocessing.Pipe`.
 *
 * @param duplex true: each end can send and receive; false: the first only receives
 *   and the second only sends
 * @throws SystemError `EMFILE`, `ENFILE`
 */
export function Pipe(duplex = true): [Connection, Connection] {
  assertType(typeof duplex === 'boolean', 'duplex', 'true or false, as in Pipe(false)', duplex);
  const ends = duplex ? duplexEnds() : simplexEnds();
  const source = new Source(FAMILY);
  for (const end of ends) setSource(end, source);
  return ends;
}
