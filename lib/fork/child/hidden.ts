// Properties whose keys are symbols that Node does not export.
import { precompileForChildren } from '../../common/precompiled.js';

/** The symbol with that description among the object's own keys. */
export function hiddenKey(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((key) => key.description === description);
}

export function hiddenValue(object: object, description: string): unknown {
  const key = hiddenKey(object, description);
  return key && Reflect.get(object, key);
}

precompileForChildren(hiddenKey, hiddenValue);
