// The fetch of Node 20 and 22 compiles its parser when it is first used, and waits
// for that with a promise. A child that is forked meanwhile would wait for ever.
import { inspect } from 'node:util';
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { nodeInternals, variablesOf } from '../node-internals.js';

const UNDICI = 'internal/deps/undici/undici';

/** Once it is compiled it stays so, in children as well. */
let isKnownToBeReady = false;
let isMissing = false;

function isPending(promise: unknown): boolean {
  return promise instanceof Promise && inspect(promise).includes('<pending>');
}

/** Call it in the parent, where it forks. Its child finds out what was said. */
export function isParserPending(): boolean {
  if (isKnownToBeReady) return false;
  const { moduleLoadList } = process as typeof process & { moduleLoadList: string[] };
  if (!moduleLoadList.includes(`NativeModule ${UNDICI}`)) return false;
  const { fetch } = nodeInternals().requireBuiltin(UNDICI);
  const { require_client_h1: requireClient } = variablesOf(fetch);
  if (typeof requireClient !== 'function') return false;
  const { llhttpPromise } = variablesOf(requireClient());
  isMissing = isPending(llhttpPromise);
  isKnownToBeReady = !isMissing;
  return isMissing;
}

/**
 * Call it in the child when it begins: what was compiled before that is the parent's. Where the
 * agent was taken away, the client that is loaded sets one, with a parser of its own.
 */
export function loadMissingParser(): void {
  if (!isMissing) return;
  isMissing = false;
  const { BuiltinModule } = nodeInternals().requireBuiltin('internal/bootstrap/realm');
  new BuiltinModule(UNDICI).compileForInternalLoader();
}

precompileForChildren(loadMissingParser);
