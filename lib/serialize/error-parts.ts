// Errors taken apart: a clone would lose their classes, and what programs have added to them.
import { types } from 'node:util';
import { type ClassTrace, prototypeFrom, traceOf } from './error-classes.js';
import {
  dataOf,
  knownClassOf,
  nearestKnownClass,
  prototypeOfKnown,
  prototypesOf,
} from './known-errors.js';

/** An error taken apart. */
export interface ErrorParts {
  /** The nearest of the classes that every process has: see known-errors.ts. */
  className: string;
  /** Of the class itself, and of those that it extends up to there. */
  traces: ClassTrace[];
  name: string;
  message: string;
  stack: string | undefined;
  // Encoded one by one, for they may be errors too.
  cause?: Buffer;
  errors?: Buffer[];
  properties: Record<string, Buffer>;
}

/** Causes of causes that are further down are only described. */
const MAX_DEPTH = 100;
const MAX_TRACES = 4;

/** Whether it has the class of an error, be it one that was not made by its constructor. */
export function isError(value: unknown): value is Error {
  if (types.isNativeError(value)) return true;
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  const [prototype] = prototypesOf(value);
  if (prototype === Object.prototype || prototype === Array.prototype) return false;
  for (const each of prototypesOf(value)) if (each === Error.prototype) return true;
  return false;
}

/** Returns what `read` returns, or `otherwise` if a getter of the program throws. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function textOf(error: Error, key: 'name' | 'message', otherwise: string): string {
  return attempt(() => {
    // A program may have put anything there.
    const value: unknown = error[key];
    return String(value);
  }, otherwise);
}

function stackOf(error: Error): string | undefined {
  const stack: unknown = attempt(() => error.stack, undefined);
  return typeof stack === 'string' ? stack : undefined;
}

function tracesOf(error: Error): ClassTrace[] {
  const traces: ClassTrace[] = [];
  for (const prototype of prototypesOf(error)) {
    if (knownClassOf(prototype) !== undefined || traces.length === MAX_TRACES) break;
    const trace = traceOf(prototype);
    if (trace !== undefined) traces.push(trace);
  }
  return traces;
}

function headOf(error: Error): ErrorParts {
  const className = nearestKnownClass(error);
  return {
    className,
    traces: tracesOf(error),
    name: textOf(error, 'name', className),
    message: textOf(error, 'message', 'an error whose message cannot be read: its getter throws'),
    stack: stackOf(error),
    properties: Object.create(null) as Record<string, Buffer>,
  };
}

/** The conversion of what is inside of an error, for {@link ErrorParts}. */
export interface ReasonEncoder {
  /** Whatever an error has: the value, or what it looks like. */
  value(value: unknown): Buffer;
  /** Encodes how a value looks. */
  description(value: unknown): Buffer;
  error(parts: ErrorParts): Buffer;
}

/** Takes errors apart, each of them once: causes and properties may go in circles. */
export class ErrorDissector {
  readonly #seen = new Set<unknown>();
  readonly #encoder: ReasonEncoder;
  #depth = 0;

  constructor(encoder: ReasonEncoder) {
    this.#encoder = encoder;
  }

  toParts(error: Error): ErrorParts {
    const parts = headOf(error);
    if (this.#seen.has(error)) return parts;
    this.#seen.add(error);
    this.#depth++;
    const special = new Set<string>();
    if (attempt(() => 'cause' in error, false)) {
      special.add('cause');
      this.#encodeTo(parts, 'cause', () => error.cause);
    }
    const reasons =
      error instanceof AggregateError && attempt<unknown>(() => error.errors, undefined);
    if (Array.isArray(reasons)) {
      special.add('errors');
      parts.errors = reasons.map((reason) => this.#encode(reason));
    }
    for (const key of attempt<string[]>(() => Object.keys(error), [])) {
      if (!special.has(key)) this.#encodeTo(parts.properties, key, () => Reflect.get(error, key));
    }
    this.#depth--;
    return parts;
  }

  /** A getter that throws has no value. */
  #encodeTo<K extends string>(parts: Partial<Record<K, Buffer>>, key: K, get: () => unknown): void {
    let value: unknown;
    try {
      value = get();
    } catch {
      return;
    }
    parts[key] = this.#encode(value);
  }

  #encode(value: unknown): Buffer {
    if (!isError(value)) return this.#encoder.value(value);
    if (this.#depth === MAX_DEPTH) return this.#encoder.description(value);
    return this.#encoder.error(this.toParts(value));
  }
}

/** As the properties of errors are that are not enumerated. */
function hidden(value: unknown): PropertyDescriptor {
  return { value, configurable: true, writable: true };
}

/** The name that instances have without one of their own; undefined if a getter says it. */
function inheritedName(error: Error): unknown {
  for (const prototype of prototypesOf(error)) {
    if (Object.hasOwn(prototype, 'name')) return dataOf(prototype, 'name');
  }
  return undefined;
}

/** An error of that class, or of the nearest that this process has. */
function makeError({ className, traces, message, name }: ErrorParts): Error {
  const base = prototypeOfKnown(className) ?? Error.prototype;
  const isWebError = base === DOMException.prototype;
  const error = isWebError ? new DOMException(message, name) : new Error(message);
  const own = prototypeFrom(traces.slice(0, MAX_TRACES), base);
  if (own !== undefined || !isWebError) Object.setPrototypeOf(error, own ?? base);
  if (!isWebError && inheritedName(error) !== name) {
    Object.defineProperty(error, 'name', hidden(name));
  }
  return error;
}

/**
 * An error like the one that was taken apart. Built-in classes and our own come back as themselves,
 * and so do those of a program that this process has in common with the other; an error of any
 * other class is one of the nearest that it extends, with its name.
 */
export function fromParts(parts: ErrorParts, decode: (bytes: Buffer) => unknown): Error {
  const { stack, cause, errors, properties } = parts;
  const error = makeError(parts);
  Object.defineProperty(error, 'stack', hidden(stack));
  if (cause !== undefined) Object.defineProperty(error, 'cause', hidden(decode(cause)));
  if (errors !== undefined) Object.defineProperty(error, 'errors', hidden(errors.map(decode)));
  for (const [key, value] of Object.entries(properties)) {
    Object.defineProperty(error, key, { ...hidden(decode(value)), enumerable: true });
  }
  return error;
}
