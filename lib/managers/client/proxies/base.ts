// The class that all proxies extend.
import { inspectBy } from '../../../common/inspection.js';
import { assertString } from '../../../common/validate.js';
import { bind, type Reference, referenceOf } from '../../protocol/reference.js';
import { makeProxiesSendable } from '../sending.js';

/**
 * The class that proxies of a manager's objects extend: see `proxyType` of `BaseManager.register`.
 * As Python's `BaseProxy`.
 *
 * @example
 * ```ts
 * class CounterProxy extends BaseProxy {
 *   increment(by = 1): number {
 *     return this.callMethod('increment', by) as number;
 *   }
 * }
 * ```
 */
export class BaseProxy {
  /** @param reference what the manager gives */
  constructor(reference: Reference) {
    bind(this, reference);
  }

  /** Calls a method of the object in the server, and blocks the thread until it has returned. */
  protected callMethod(name: string, ...args: unknown[]): unknown {
    assertString(name, 'name');
    return referenceOf(this).call(name, ...args);
  }

  /** As {@link callMethod}, and leaves the event loop free. */
  protected async callMethodAsync(name: string, ...args: unknown[]): Promise<unknown> {
    assertString(name, 'name');
    return referenceOf(this).callAsync(name, args);
  }

  toString(): string {
    return describe(this);
  }
}

inspectBy(BaseProxy);

makeProxiesSendable('proxy', BaseProxy.prototype);

/** As Python's repr() of a proxy: says nothing of what the object contains. */
export function describe(proxy: object): string {
  const { typeid, id } = referenceOf(proxy);
  return `<${proxy.constructor?.name ?? 'Proxy'} object, typeid '${typeid}' at ${id}>`;
}

/**
 * Calls a method of the object that a proxy stands for, and blocks the thread until it has
 * returned. For methods for which the proxy has none of its own: `callMethod(dict, 'pop', 'key')`.
 * As Python's `_callmethod`.
 *
 * @throws ProcessError `ERR_TRUEFORK_NOT_EXPOSED`, `ERR_TRUEFORK_MANAGER_LOST`, and what the method
 *   throws
 */
export function callMethod(proxy: object, name: string, ...args: unknown[]): unknown {
  assertString(name, 'name');
  return referenceOf(proxy).call(name, ...args);
}

/**
 * A copy of what is behind a proxy, in one call, for those that are data. As Python's
 * `_getvalue()`.
 */
export function getValue<T extends object>(proxy: T): T {
  return referenceOf(proxy).call('getValue') as T;
}
