// The result of a method that stays in the server.
import type { StoredObject } from './store.js';

export class ServerReference {
  readonly #object: StoredObject;

  constructor(object: StoredObject) {
    this.#object = object;
  }

  /**
   * Unlike `instanceof` this asks nothing of a value, which may be a JavaScript Proxy that throws.
   */
  static is(value: unknown): value is ServerReference {
    return typeof value === 'object' && value !== null && #object in value;
  }

  get object(): StoredObject {
    return this.#object;
  }
}
