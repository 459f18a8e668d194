/** The whole stack, as V8 writes it, whatever the program has made of stacks. */
export function currentStack(): string {
  const { stackTraceLimit } = Error;
  const prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  Reflect.deleteProperty(Error, 'prepareStackTrace');
  Error.stackTraceLimit = Infinity;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  if (prepare !== undefined) Object.defineProperty(Error, 'prepareStackTrace', prepare);
  return stack!;
}
