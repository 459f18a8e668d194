// Functions that are called around each fork.
import { inspect } from 'node:util';
import { functionOption, optionsReader } from '../common/options.js';
import { emitWarning } from '../common/originals.js';

/** Functions to call around every fork of this process. */
export interface AtForkHooks {
  /** Called before the fork, last registered first. If it throws there is no fork. */
  before?: () => void;
  /** After the fork, in the parent; also after a fork that failed. */
  afterInParent?: () => void;
  /** After the fork, in the child. */
  afterInChild?: () => void;
}

const registrations: { functions: AtForkHooks }[] = [];

const checkHooks = optionsReader<AtForkHooks>(
  'registerAtFork()',
  { before: functionOption, afterInParent: functionOption, afterInChild: functionOption },
  { expected: 'an object, as in { before, afterInParent, afterInChild }' },
);

/**
 * pthread_atfork(3), or Python's `os.register_at_fork()` — registers functions to
 * call around each fork, by `fork()` or by `Process`, of this process and its
 * descendants. `before` functions run in reverse order of registration, the others
 * in order. If an `after…` function throws, that is a warning.
 *
 * A fork calls those that are registered when it begins.
 *
 * @returns a function that takes the registration back
 */
export function registerAtFork(functions: AtForkHooks): () => void {
  checkHooks(functions);
  const registration = { functions };
  registrations.push(registration);
  return () => {
    const index = registrations.indexOf(registration);
    if (index >= 0) registrations.splice(index, 1);
  };
}

export function warnOf(error: unknown): void {
  emitWarning(error instanceof Error ? error : inspect(error));
}

/** The hooks of one fork. */
export class Hooks {
  /** The hooks whose `before` has been called, in order of registration. */
  #prepared: AtForkHooks[] = [];

  before(): void {
    for (const { functions } of registrations.toReversed()) {
      try {
        functions.before?.();
      } catch (error) {
        // Hooks that prepared for a fork are called after it, too, although there was none.
        this.after('afterInParent');
        throw error;
      }
      this.#prepared.unshift(functions);
    }
  }

  after(which: 'afterInParent' | 'afterInChild'): void {
    for (const functions of this.#prepared) {
      try {
        functions[which]?.();
      } catch (error) {
        warnOf(error);
      }
    }
  }
}
