// Two ends that are connected, for a process and its children.
import { pipe, socketpair } from '../posix/descriptors.js';
import { Connection } from './connection.js';

/**
 * Two connected ends, as Python's `multiprocessing.Pipe`.
 *
 * @param duplex true: each end can send and receive; false: the first only receives
 *   and the second only sends
 * @throws SystemError `EMFILE`, `ENFILE`
 */
export function Pipe(duplex = true): [Connection, Connection] {
  if (duplex) {
    const [a, b] = socketpair();
    return [new Connection(a), new Connection(b)];
  }
  const [reader, writer] = pipe();
  return [new Connection(reader, { writable: false }), new Connection(writer, { readable: false })];
}
