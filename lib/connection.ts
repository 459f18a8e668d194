// Messages between processes, over a pipe or a socket.
export type { Address, Family } from './connection/address.js';
export {
  Client,
  type ClientOptions,
  ClientSync,
  type SyncClientOptions,
} from './connection/client.js';
export { Connection, type Directions } from './connection/connection.js';
export { Listener, type ListenerOptions } from './connection/listener.js';
export { Pipe } from './connection/pipe.js';
export { wait, waitSync, type Waitable } from './connection/wait.js';
