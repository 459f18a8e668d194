// Messages between processes, over a pipe or a socket.
export type { Address, Family } from './address.js';
export { Client, type ClientOptions, ClientSync, type SyncClientOptions } from './client.js';
export { Connection, type Directions } from './connection.js';
export { Listener, type ListenerOptions } from './listener.js';
export { Pipe } from './pipe.js';
export { wait, waitSync, type Waitable } from './wait.js';
