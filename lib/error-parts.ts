// Errors taken apart: a clone would lose their classes, and what programs have added to them.
import { types } from 'node:util';
import {
  AbortError,
  AuthenticationError,
  BrokenBarrierError,
  BrokenPoolError,
  BufferTooShort,
  Empty,
  EOFError,
  Full,
  ProcessError,
  TimeoutError,
  WorkerLostError,
} from './errors.js';

const BUILT_IN = [
  AggregateError,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
];
const OURS = [
  AbortError,
  AuthenticationError,
  BrokenBarrierError,
  BrokenPoolError,
  BufferTooShort,
  Empty,
  EOFError,
  Full,
  ProcessError,
  TimeoutError,
  WorkerLostError,
];

/** By name: the classes of which an error comes back as an instance. */
const PROTOTYPES = new Map<string, object>(
  [...BUILT_IN, ...OURS, DOMException].map(({ name, prototype }) => [name, prototype]),
);

/** An error taken apart. */
export interface ErrorParts {
  /** One of {@link PROTOTYPES}, if it is of such a class. */
  className: string | undefined;
  name: string;
  message: string;
  stack: string | undefined;
  // Encoded one by one, for they may be errors too.
  cause?: Buffer;
  errors?: Buffer[];
  properties: Record<string, Buffer>;
}

export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof DOMException;
}

function classNameOf(error: Error): string | undefined {
  const prototype = Object.getPrototypeOf(error) as object | null;
  const known = [...PROTOTYPES].find(([, candidate]) => candidate === prototype);
  // Errors of another context have other classes of the same names.
  return known?.[0] ?? BUILT_IN.find(({ name }) => name === error.name)?.name;
}

/** What {@link ErrorParts} are made with. */
export interface ReasonEncoder {
  /** Whatever an error has: the value, or what it looks like. */
  value(value: unknown): Buffer;
  error(parts: ErrorParts): Buffer;
}

/** Takes errors apart, each of them once: causes and properties may go in circles. */
export class ErrorDissector {
  readonly #seen = new Set<unknown>();
  readonly #encoder: ReasonEncoder;

  constructor(encoder: ReasonEncoder) {
    this.#encoder = encoder;
  }

  takeApart(error: Error): ErrorParts {
    // A program may have put anything there.
    const { name, message, stack } = error as { name: unknown; message: unknown; stack: unknown };
    const parts: ErrorParts = {
      className: classNameOf(error),
      name: String(name),
      message: String(message),
      stack: typeof stack === 'string' ? stack : undefined,
      properties: {},
    };
    if (this.#seen.has(error)) return parts;
    this.#seen.add(error);
    parts.properties = this.#properties(error);
    if ('cause' in error) parts.cause = this.#encode(error.cause);
    if (error instanceof AggregateError) {
      parts.errors = error.errors.map((reason) => this.#encode(reason));
    }
    return parts;
  }

  #properties(error: Error): Record<string, Buffer> {
    const properties: Record<string, Buffer> = {};
    for (const key of Object.keys(error)) {
      if (key === 'cause' || key === 'errors') continue;
      try {
        properties[key] = this.#encode(Reflect.get(error, key));
      } catch {
        // A getter that throws has no value.
      }
    }
    return properties;
  }

  #encode(value: unknown): Buffer {
    if (!isError(value)) return this.#encoder.value(value);
    return this.#encoder.error(this.takeApart(value));
  }
}

/** As the properties of errors are that are not enumerated. */
function hidden(value: unknown): PropertyDescriptor {
  return { value, configurable: true, writable: true };
}

/**
 * An error like the one that was taken apart. Built-in classes and our own come back as
 * themselves; an error of any other class is an Error with that name.
 */
export function putTogether(parts: ErrorParts, decode: (bytes: Buffer) => unknown): Error {
  const { className, name, message, stack, cause, errors, properties } = parts;
  const isWebError = className === DOMException.name;
  const error = isWebError ? new DOMException(message, name) : new Error(message);
  const prototype = className === undefined ? undefined : PROTOTYPES.get(className);
  if (prototype !== undefined && !isWebError) Object.setPrototypeOf(error, prototype);
  if (error.name !== name) Object.defineProperty(error, 'name', hidden(name));
  Object.defineProperty(error, 'stack', hidden(stack));
  if (cause !== undefined) Object.defineProperty(error, 'cause', hidden(decode(cause)));
  if (errors !== undefined) Object.defineProperty(error, 'errors', hidden(errors.map(decode)));
  for (const [key, value] of Object.entries(properties)) {
    Object.defineProperty(error, key, { ...hidden(decode(value)), enumerable: true });
  }
  return error;
}
