// sonic-boom, which writes the lines of pino and others, is no stream of Node's: it calls
// fs.write() and waits for the callback, which is the parent's. Its instances are found where V8
// finds them.
import { Module } from 'node:module';
import { sep } from 'node:path';
import { process } from '../../common/originals.js';
import { precompileForChildren } from '../../common/precompiled.js';
import { instancesOf } from '../node-internals.js';

interface SonicBoom {
  sync: boolean;
  destroyed: boolean;
  _opening?: boolean;
  _writing: boolean;
  _len: number;
  _bufs: unknown[];
  _lens: number[];
  _writingBuf: string | Buffer;
}

const ENTRY = ['sonic-boom', 'index.js'].join(sep);

interface LoadedModule {
  exports?: { prototype?: SonicBoom };
}

/** The prototypes of all versions of the package that the program has loaded. */
function prototypes(): SonicBoom[] {
  const { _cache: cache } = Module as unknown as { _cache: Record<string, LoadedModule> };
  return Object.keys(cache)
    .filter((path) => path.endsWith(ENTRY))
    .flatMap((path) => cache[path]?.exports?.prototype ?? []);
}

/** Lines that the parent was writing, or has yet to write, are the parent's. */
function forgetLines(logger: SonicBoom): void {
  // It has no file yet, and fails when it is used, which is better than to lose what it is given.
  if (logger._opening) logger.destroyed = true;
  Object.assign(logger, {
    _writing: false,
    _len: 0,
    _bufs: [],
    _lens: [],
    _writingBuf: logger._writingBuf.slice(0, 0),
  } satisfies Partial<SonicBoom>);
}

function isOfFile(request: object): boolean {
  return request.constructor.name === 'FSReqCallback';
}

function isWritingFile(): boolean {
  const { _getActiveRequests: activeRequests } = process as typeof process & {
    _getActiveRequests(): object[];
  };
  return activeRequests().some(isOfFile);
}

/** Call it in the child. */
export function renewSonicBooms(): void {
  if (!isWritingFile()) return;
  for (const prototype of prototypes()) {
    for (const logger of instancesOf(prototype)) if (logger._writing) forgetLines(logger);
  }
}

precompileForChildren(renewSonicBooms, forgetLines, prototypes, isWritingFile, isOfFile);
