// The exit code that the program has set: in Node's `process`, or in the copy that its modules see
// instead (lib/common/originals.ts).
import { copyOfProcess, process } from '../common/originals.js';
import { precompileForChildren } from '../common/precompiled.js';

export function exitCode(): number | undefined {
  const code = copyOfProcess.exitCode ?? process.exitCode;
  return code === undefined || code === null ? undefined : Number(code);
}

export function setExitCode(code: number | undefined): void {
  copyOfProcess.exitCode = code;
  process.exitCode = code;
}

precompileForChildren(exitCode, setExitCode);
