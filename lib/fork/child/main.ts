// The life of a child, once its parent's is behind it.
import { AsyncResource } from 'node:async_hooks';
import { inspect } from 'node:util';
import { precompileForChildren } from '../../common/precompiled.js';
import { unmapRetiredInChild } from '../../posix/memory.js';
import { exit, setPending } from '../leave.js';
import { say } from '../say.js';
import { startThreadPool } from '../slow-jobs.js';
import { loadMissingParser } from './fetch-parser.js';
import { endLostWorkers } from './lost-workers.js';
import { checkImmediates } from './timers.js';

function reportAndExit(name: string, error: unknown): never {
  say(`Process ${name}:\n${inspect(error)}\n`);
  exit(1);
}

/**
 * Runs `target` until it settles, and the process as long as anything keeps its
 * event loop alive.
 */
async function live(name: string, target: () => unknown): Promise<void> {
  setPending(name);
  try {
    await target();
  } catch (error) {
    reportAndExit(name, error);
  }
  setPending(undefined);
}

function begin(context: AsyncResource, name: string, target: () => unknown): void {
  checkImmediates();
  startThreadPool();
  loadMissingParser();
  endLostWorkers();
  unmapRetiredInChild();
  void context.runInAsyncScope(live, undefined, name, target);
}

/**
 * Makes the function that a child begins with. Call it where the process was
 * started: `target` runs in that asynchronous context.
 */
export function makeMain(name: string, target: () => unknown): () => void {
  return begin.bind(undefined, new AsyncResource('TrueforkProcess'), name, target);
}

precompileForChildren(begin, live);
