// multiprocessing.managers: objects in a server, used by many processes.
import { forgetCode } from '../fork/known-code.js';

export { BaseManager } from './base-manager.js';
export type { ManagerOptions, ManagerServer } from './base-manager.js';
export { asyncProxy } from './client/proxies/async.js';
export type { Async, AsyncDict, AsyncList, AsyncProxy } from './client/proxies/async.js';
export { BaseProxy, callMethod, getValue } from './client/proxies/base.js';
export { SharedMemoryManager } from './shared-memory-manager.js';
export { Manager, SyncManager } from './sync-manager.js';
export type { RegisterOptions } from './server/types.js';

// Their own types are registered as those of programs are.
forgetCode();
