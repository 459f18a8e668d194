// Workers of the parent have no thread in a child. There they are seen as ended, so that a wait for
// one ends, and a message to one fails.
import { Worker, type MessagePort } from 'node:worker_threads';
import { setImmediate } from '../../common/originals.js';
import { onForkedChild } from '../../common/per-process.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { warnOf } from '../at-fork.js';
import { takeWorkers } from '../js-workers.js';
import { hiddenKey, hiddenValue } from './hidden.js';

/** As of one that has nothing left to do: whoever did not count on that, will say so. */
const WORKER_EXIT_CODE = 0;

/** Lets go of the handle, and ends the streams of its output. Node has it since version 10. */
const DISPOSE = hiddenKey(Worker.prototype, 'kDispose');

let lost: Worker[] = [];

function closePort(port: MessagePort): void {
  // The Worker has sent its messages to the parent.
  port.removeAllListeners('message');
  port.close();
}

function end(worker: Worker): void {
  if (DISPOSE === undefined || hiddenValue(worker, 'kHandle') === null) return;
  worker.unref();
  closePort(hiddenValue(worker, 'kPublicPort') as MessagePort);
  closePort(hiddenValue(worker, 'kPort') as MessagePort);
  (Reflect.get(worker, DISPOSE) as () => void).call(worker);
  tellEnd(worker);
  // Once more, for those that the child adds in its first turn.
  worker.removeAllListeners('exit');
  setImmediate(tellEnd, worker);
}

function tellEnd(worker: Worker): void {
  try {
    worker.emit('exit', WORKER_EXIT_CODE);
  } catch (error) {
    warnOf(error);
  }
}

/** Call it in the child when its own life has begun, before it uses anything. */
export function endLostWorkers(): void {
  for (const worker of lost) end(worker);
  lost = [];
}

function findLostWorkers(): void {
  lost = takeWorkers();
  // For a child that goes on with its parent's loop; the others have immediates of their own.
  if (lost.length > 0) setImmediate(endLostWorkers);
}

onForkedChild(findLostWorkers);
precompileForChildren(end, closePort, tellEnd, endLostWorkers);
