// Clients in a process of their own: the one with the servers is busy enough.
import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { AskingOptions, Report } from './asking.js';

export class ClientProcess {
  readonly #process: ChildProcess;
  readonly #output: Promise<string>;

  constructor(options: AskingOptions) {
    const program = fileURLToPath(new URL('./client.js', import.meta.url));
    this.#process = spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#output = text(this.#process.stdout!);
  }

  /** Waits for the answers that are still to come. */
  async stop(): Promise<Report> {
    this.#process.stdin!.end();
    return JSON.parse(await this.#output) as Report;
  }
}
