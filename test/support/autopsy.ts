// A description of processes that hang, before they are killed.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** In the stat of a process, after its name: how long it ran; the time in the kernel is next. */
const USER_TICKS = 11;

/** The result of `read`, or `otherwise` when the process is gone or may not be looked at. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function contentsOf(path: string): string {
  return attempt(() => readFileSync(path, 'utf8').trim(), '');
}

/** Each of the threads: its name, where in the kernel it sleeps, and in which system call. */
function threadsOf(pid: string): string[] {
  return attempt(() => readdirSync(`/proc/${pid}/task`), []).map((tid) => {
    const [name, wchan, syscall] = ['comm', 'wchan', 'syscall'].map((file) =>
      contentsOf(`/proc/${pid}/task/${tid}/${file}`),
    );
    return `  ${tid} ${name} ${wchan} ${syscall}`;
  });
}

/** Where the main thread of a process is that runs: to the kernel that is nowhere. */
function stackOf(pid: string): string {
  const args = ['-p', pid, '-nx', '-batch', '-ex', 'bt 20'];
  const { stdout, error } = spawnSync('gdb', args, { encoding: 'utf8', timeout: 20_000 });
  return error === undefined ? stdout.replace(/^(?!#).*\n/gm, '') : '  (there is no gdb)';
}

/** The processes of a group, each with its parent, its state and what its threads wait for. */
export function describeGroup(group: number): string {
  const lines: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = contentsOf(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent, itsGroup] = fields;
    if (Number(itsGroup) !== group) continue;
    const ticks = fields.slice(USER_TICKS, USER_TICKS + 2).join('+');
    const command = contentsOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
    lines.push(`${pid} of ${parent}, ${state}, ${ticks} ticks: ${command}`);
    if (state !== 'Z') lines.push(...threadsOf(pid));
    if (state === 'R') lines.push(stackOf(pid));
  }
  return lines.join('\n');
}
