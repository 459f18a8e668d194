// Support for the tests of truefork/posix.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { inspect } from 'node:util';
import { _exit, close, fork, pipe, read, waitpid, write } from 'truefork/posix';

export const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
export const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

/** The error of a failed system call, whole. */
export function failure(syscall: string, code: keyof typeof constants.errno): object {
  const errno = -constants.errno[code];
  return { name: 'Error', message: `${syscall} ${code}`, code, syscall, errno };
}

/** Forks; the child does `act` and ends, with exit code 1 if that throws. Returns its pid. */
export function forked(act: () => void): number {
  const pid = fork();
  if (pid !== 0) return pid;
  try {
    act();
  } catch (error) {
    process.stderr.write(`${inspect(error)}\n`);
    _exit(1);
  }
  return _exit(0);
}

export function assertGood(pid: number): void {
  assert.equal(waitpid(pid)!.exitcode, 0);
}

/** The occupation of a child that waits to be killed. */
export function pause(): void {
  const [reader, writer] = pipe();
  read(reader, Buffer.alloc(1));
  close(writer);
}

export function say(fd: number, words: string): void {
  const bytes = Buffer.from(words);
  assert.equal(write(fd, bytes), bytes.length);
}

/** All that comes until the end of the file. */
export function hear(fd: number): string {
  const buffer = Buffer.alloc(1024);
  let words = '';
  for (;;) {
    const length = read(fd, buffer);
    if (length === 0) return words;
    words += buffer.toString('utf8', 0, length);
  }
}

export function isCloseOnExec(fd: number): boolean {
  const [, flags] = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))!;
  const O_CLOEXEC = 0o2_000_000;
  return (Number.parseInt(flags!, 8) & O_CLOEXEC) !== 0;
}
