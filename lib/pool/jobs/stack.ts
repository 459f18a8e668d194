// Where an error comes from: the place that asked the pool, and below it the place in the worker.
import type { CallSite, Runner } from './call-sites.js';

/** The lines of a stack that are frames. */
function framesOf(stack: string | undefined): string {
  const at = stack?.search(/^\s+at /m) ?? -1;
  return at < 0 ? '' : stack!.slice(at).trimEnd();
}

/** Without those of the worker itself, which runs the function of the user. */
function framesOfUser(stack: string | undefined): string {
  return framesOf(stack).replace(/\n? +at callItem \([^]*$/, '');
}

function headOf(error: Error): string {
  const { stack = String(error) } = error;
  const at = stack.search(/^\s+at /m);
  return at < 0 ? stack.trimEnd() : stack.slice(0, at).trimEnd();
}

/**
 * Puts the frames of whoever asked for the task into the stack of an error, above those of the
 * worker. A value that is no error remains as it is.
 */
export function withCallSite(
  error: unknown,
  callSite: CallSite,
  runner: Runner | undefined,
): unknown {
  if (!(error instanceof Error)) return error;
  const inWorker = runner === undefined ? '' : framesOfUser(error.stack);
  const lines = [headOf(error), framesOf(callSite.stack)];
  if (inWorker !== '') lines.push(`    in ${runner!.name}, pid ${runner!.pid}:`, inWorker);
  const stack = lines.filter((line) => line !== '').join('\n');
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
  return error;
}
