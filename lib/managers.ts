// multiprocessing.managers: objects in a server, used by many processes.
import { forgetCode } from './known-code.js';

export { BaseManager } from './managers/base-manager.js';
export type { ManagerOptions, ManagerServer } from './managers/base-manager.js';
export { asyncProxy } from './managers/proxies/async.js';
export type { Async, AsyncDict, AsyncList, AsyncProxy } from './managers/proxies/async.js';
export { BaseProxy, callMethod, getValue } from './managers/proxies/base.js';
export { SharedMemoryManager } from './managers/shared-memory-manager.js';
export { Manager, SyncManager } from './managers/sync-manager.js';
export type { RegisterOptions } from './managers/types.js';

// Their own types are registered as those of programs are.
forgetCode();
