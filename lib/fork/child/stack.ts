// Where on the stack a fork is called: inside of a timer of the parent or not.
interface Frame {
  getFunctionName(): string | null;
  getFileName(): string | null;
}

/** More than a stack can hold. Not Infinity, at which V8 14 fails when it is being debugged. */
const ALL = 1e6;

/** The frames of the whole stack, whatever the program has made of stack traces. */
function frames(): Frame[] {
  const { stackTraceLimit } = Error;
  const prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  Error.stackTraceLimit = ALL;
  // Frames as they are: to write them down takes far longer.
  Error.prepareStackTrace = (_, sites) => sites;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  Reflect.deleteProperty(Error, 'prepareStackTrace');
  if (prepare !== undefined) Object.defineProperty(Error, 'prepareStackTrace', prepare);
  return stack as unknown as Frame[];
}

/** Whether the caller was called by a timer. */
export function isInsideTimers(): boolean {
  return frames().some(
    (frame) =>
      frame.getFunctionName() === 'processTimers' && frame.getFileName() === 'node:internal/timers',
  );
}
