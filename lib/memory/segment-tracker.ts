// Named shared memory outlives all processes. A segment that this process has made and not unlinked
// goes with it, however it ends: a shell, which nothing but this process talks to, reads the names,
// and at the end of file removes those that are left, and says so.
import type { SystemError } from '../common/errors.js';
import { emitWarning, process } from '../common/originals.js';
import { onForkedChild } from '../common/per-process.js';
import { close, pipe, write } from '../posix/descriptors.js';
import { spawnShell, wait4, WNOHANG } from '../posix/wait.js';
import { CLEANUP_SCRIPT } from './cleanup-script.js';

function escaped(name: string): string {
  let line = '';
  for (const byte of Buffer.from(name)) {
    const character = String.fromCharCode(byte);
    line += /[\w.-]/.test(character) ? character : `\\0${byte.toString(8).padStart(3, '0')}`;
  }
  return line;
}

interface Shell {
  pid: number;
  /** The end of the pipe that it reads from. Not a stream: what is written is written. */
  writer: number;
}

let hasWarned = false;

function warnOf(error: unknown): void {
  if (hasWarned) return;
  hasWarned = true;
  emitWarning(
    `There is no shell that could remove named shared memory if this process is killed (${(error as Error).message}). ` +
      'What it does not unlink by itself stays in /dev/shm.',
    { type: 'TrueforkWarning', code: 'TRUEFORK_NO_CLEANUP' },
  );
}

/** Returns undefined, and says so, if there can be no shell. */
function startShell(): Shell | undefined {
  const [reader, writer] = pipe();
  try {
    return { pid: spawnShell(CLEANUP_SCRIPT, String(process.pid), reader), writer };
  } catch (error) {
    close(writer);
    warnOf(error);
    return undefined;
  } finally {
    close(reader);
  }
}

let shell: Shell | undefined;
/** The segments to remove at the end, by name, with the numbers that the shell knows. */
const segments = new Map<string, number>();
const freeNumbers: number[] = [];

/** Returns whether the shell is there to read it. */
function say(words: string): boolean {
  try {
    // Shorter than what a pipe takes at once.
    write(shell!.writer, Buffer.from(words));
    return true;
  } catch (error) {
    if ((error as SystemError).code !== 'EPIPE') throw error;
    forgetDeadShell();
    return false;
  }
}

/** Somebody has killed it. */
function forgetDeadShell(): void {
  close(shell!.writer);
  try {
    wait4(shell!.pid, WNOHANG);
  } catch {
    // Somebody has reaped it as well.
  }
  shell = undefined;
}

/** Names are nowhere to be found on macOS, and nothing is tracked there. */
function tell(words: string): void {
  if (process.platform !== 'linux') return;
  if (shell !== undefined && say(words)) return;
  shell = startShell();
  for (const [name, id] of segments) {
    if (shell !== undefined) say(`${id} ${escaped(name)}\n`);
  }
}

export function isTracked(name: string): boolean {
  return segments.has(name);
}

/** From here on `name`, which is not tracked yet, does not outlive this process. */
export function track(name: string): void {
  const id = freeNumbers.pop() ?? segments.size + 1;
  segments.set(name, id);
  tell(`${id} ${escaped(name)}\n`);
}

/**
 * The reverse of {@link track}. A name that was not tracked is ignored.
 *
 * @param isUnique whether nobody will ever use that name again. Then the shell need not know at
 *   once: its number will soon stand for something else, and to remove what is not there does no
 *   harm
 */
export function untrack(name: string, isUnique: boolean): void {
  const id = segments.get(name);
  if (id === undefined) return;
  segments.delete(name);
  freeNumbers.push(id);
  if (!isUnique && shell !== undefined) tell(`${id}\n`);
}

/** They are the parent's. */
function forget(): void {
  if (shell !== undefined) close(shell.writer);
  shell = undefined;
  segments.clear();
  freeNumbers.length = 0;
}

onForkedChild(forget);
