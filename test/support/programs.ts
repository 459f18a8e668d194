// Programs that a scenario starts as processes of their own, to see them from the
// outside: other scenarios of the module that is running.
import { type ChildProcess, spawn, spawnSync, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { until } from './observe.js';

/** The command that runs the scenario `name` of the running module. */
export function commandOf(name: string, ...args: string[]): string[] {
  const [, runner, module] = process.argv;
  return [process.execPath, ...process.execArgv, runner!, module!, name, ...args];
}

export class Program {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #closed: Promise<unknown[]>;

  constructor(child: ChildProcess) {
    this.process = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#closed = once(child, 'close');
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** Waits until it and all that it has started have let go of its stdout and stderr. */
  async end(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const [code, signal] = await this.#closed;
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  }

  /** Waits for what it prints. Returns what `pattern` has matched. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const find = (): RegExpExecArray | null => pattern.exec(`${this.stdout}\n${this.stderr}`);
    await until(() => find() !== null);
    return find()!;
  }

  /** The object that it prints, in one line of JSON. */
  async report<T>(): Promise<T> {
    const [json] = await this.printed(/^\{.*\}$/m);
    return JSON.parse(json) as T;
  }
}

export function startCommand([file, ...args]: string[], options: SpawnOptions = {}): Program {
  return new Program(spawn(file!, args, { stdio: 'pipe', ...options }));
}

export function startProgram(name: string, options: SpawnOptions = {}, ...args: string[]): Program {
  return startCommand(commandOf(name, ...args), options);
}

/** Gives a command a terminal, which is this program's stdin and stdout. */
const ON_A_TERMINAL = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
sources = [terminal, 0]
while True:
    ready = select.select(sources, [], [])[0]
    if terminal in ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        while data:
            data = data[os.write(1, data):]
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            sources.remove(0)
        while data:
            data = data[os.write(terminal, data):]
status = os.waitpid(pid, 0)[1]
sys.exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
`;

/** Whether {@link startOnTerminal} can be used here. */
export function haveTerminals(): boolean {
  return spawnSync('python3', ['-c', 'import pty']).status === 0;
}

/**
 * Starts a program on a terminal of its own, at which the stdin of the process that
 * is returned types. Its exit code is that of the program, 128 + N after signal N.
 */
export function startOnTerminal(name: string, ...args: string[]): Program {
  return startCommand(['python3', '-c', ON_A_TERMINAL, ...commandOf(name, ...args)]);
}
