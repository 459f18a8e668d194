// Messages between processes, over a pipe or a socket.
export { Connection, type Directions } from './connection/connection.js';
export { Pipe } from './connection/pipe.js';
export { wait, waitSync, type Waitable } from './connection/wait.js';
