import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/**
 * A Python program beside ours: each line that it reads is an order, each line that
 * it prints the result, in JSON.
 */
export class Python {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  /** @param script below bench/ */
  constructor(script: string) {
    const path = fileURLToPath(new URL(`../../../bench/${script}`, import.meta.url));
    this.#process = spawn('python3', [path], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface(this.#process.stdout);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async ask<T>(order: string): Promise<T> {
    const answer = once(this.#lines, 'line');
    this.#process.stdin.write(`${order}\n`);
    const [line] = (await answer) as [string];
    return JSON.parse(line) as T;
  }

  async end(): Promise<void> {
    this.#process.stdin.end();
    await once(this.#process, 'close');
  }
}
