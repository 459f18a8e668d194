// What can be said of processes that hang, before they are killed.
import { readdirSync, readFileSync } from 'node:fs';

/** What `read` returns, or `otherwise` when the process is gone or may not be looked at. */
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

/** The processes of a group, each with its parent, its state and what its threads wait for. */
export function describeGroup(group: number): string {
  const lines: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = contentsOf(`/proc/${pid}/stat`);
    const [state, parent, itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (Number(itsGroup) !== group) continue;
    const command = contentsOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
    lines.push(`${pid} of ${parent}, ${state}: ${command}`, ...threadsOf(pid));
  }
  return lines.join('\n');
}
