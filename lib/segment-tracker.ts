// Named shared memory outlives all processes. What this process has made and not unlinked
// goes with it, however it ends: a shell, which nothing but this process talks to, reads
// what there is, and at the end of file removes what is left, and says so.
import { spawn } from 'node:child_process';
import type { SystemError } from './errors.js';
import { close, pipe, write } from './posix/descriptors.js';
import { onForkedChild } from './posix/fork.js';

/**
 * Reads lines "number name", which registers, and "number", which does the reverse. Names have
 * octal escapes for all that a shell might take for something else; numbers are ours.
 */
const SCRIPT = `
trap '' INT TERM HUP
last=0
while read -r id name; do
  if [ -n "$name" ]; then
    eval "name_$id=\\$name"
    [ "$id" -le "$last" ] || last=$id
  else
    unset "name_$id"
  fi
done
leaked=0
names=
while [ "$last" -gt 0 ]; do
  eval "name=\\$name_$last"
  last=$((last - 1))
  [ -n "$name" ] || continue
  file=$(printf '%b.' "$name")
  file=/dev/shm/\${file%.}
  [ -e "$file" ] || continue
  rm -f -- "$file"
  leaked=$((leaked + 1))
  names="$names $name"
done
if [ "$leaked" -gt 0 ]; then
  text="truefork: process $1 has leaked shared memory, which was cleaned up ($leaked):"
  printf '%s\\n' "$text$names" >&2
fi
`;

function escaped(name: string): string {
  let line = '';
  for (const byte of Buffer.from(name)) {
    const character = String.fromCharCode(byte);
    line += /[\w.-]/.test(character) ? character : `\\0${byte.toString(8).padStart(3, '0')}`;
  }
  return line;
}

/** Starts the shell. Returns the descriptor that it reads from, or undefined if there is no shell. */
function startShell(): number | undefined {
  // Not a stream: children forked from here can close it, and what is written is written.
  const [reader, writer] = pipe();
  try {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, 'truefork', String(process.pid)], {
      cwd: '/',
      detached: true,
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      stdio: [reader, 'ignore', 'inherit'],
    });
    shell.on('error', () => {});
    shell.unref();
    if (shell.pid !== undefined) return writer;
  } finally {
    close(reader);
  }
  close(writer);
  return undefined;
}

let writer: number | undefined;
/** What is to be removed at the end, by name, with the numbers that the shell knows. */
const segments = new Map<string, number>();
const freeNumbers: number[] = [];

/** Returns whether the shell is there to read it. */
function say(words: string): boolean {
  try {
    // Shorter than what a pipe takes at once.
    write(writer!, Buffer.from(words));
    return true;
  } catch (error) {
    if ((error as SystemError).code !== 'EPIPE') throw error;
    close(writer!);
    writer = undefined;
    return false;
  }
}

/** Names are nowhere to be found on macOS, and nothing is tracked there. */
function tell(words: string): void {
  if (process.platform !== 'linux') return;
  if (writer !== undefined && say(words)) return;
  // There is none yet, or somebody has killed it.
  writer = startShell();
  for (const [name, id] of segments) {
    if (writer !== undefined) say(`${id} ${escaped(name)}\n`);
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
 * The reverse of {@link track}. What was not tracked is none of its business.
 *
 * @param isUnique whether nobody will ever use that name again. Then the shell need not know
 *   at once: its number will soon stand for something else, and to remove what is not there does no harm
 */
export function untrack(name: string, isUnique: boolean): void {
  const id = segments.get(name);
  if (id === undefined) return;
  segments.delete(name);
  freeNumbers.push(id);
  if (!isUnique && writer !== undefined) tell(`${id}\n`);
}

/** They are the parent's. */
function forget(): void {
  if (writer !== undefined) close(writer);
  writer = undefined;
  segments.clear();
  freeNumbers.length = 0;
}

onForkedChild(forget);
