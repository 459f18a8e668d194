// Options of a Process.
import {
  arrayOption,
  booleanOption,
  bytesOption,
  functionOption,
  optionsReader,
  type Reader,
  stringOption,
} from '../common/options.js';
import type { Inheritable } from '../fork/child/inherit.js';

export type { Inheritable };

/** Options of a {@link Process}. */
export interface ProcessOptions<Args extends unknown[] = unknown[]> {
  /**
   * The function that the child runs. May be asynchronous, and any closure: it is not serialized.
   */
  target?: (...args: Args) => unknown;
  /** The arguments of `target`; not serialized either. Default: none. */
  args?: Args;
  /** Default: the name of the class and a number, `Process-1`; of its child, `Process-1:1`. */
  name?: string;
  /**
   * Whether the child ends with its parent: it gets SIGTERM when the parent exits
   * and, on Linux, when it is killed. It can have no children. Default: as this process.
   */
  daemon?: boolean;
  /**
   * Servers, sockets and descriptors of this process's event loop that go on working in
   * the child: a listening server shares its port. Everything else that the loop
   * watches is at rest in the child. Default: none.
   */
  inherit?: readonly Inheritable[];
  /** The key for connections between processes. Default: this process's. */
  authkey?: Uint8Array;
}

export const readOptions: Reader<ProcessOptions<never[]>> = optionsReader(
  'a Process',
  {
    target: functionOption,
    args: arrayOption,
    name: stringOption,
    daemon: booleanOption,
    inherit: arrayOption,
    authkey: bytesOption,
  },
  { expected: 'an object, as in { target, args }' },
);
