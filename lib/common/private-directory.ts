// Directories for Unix sockets, which have no permissions of their own everywhere.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The longest path of a socket that all systems take. */
const MAX_SOCKET_PATH_BYTES = 103;

/** A directory that only this user can enter, with room for one socket. */
export class PrivateDirectory {
  readonly #path: string;

  constructor() {
    const usual = join(tmpdir(), 'truefork-');
    const room = MAX_SOCKET_PATH_BYTES - 'XXXXXX/listener'.length;
    this.#path = mkdtempSync(Buffer.byteLength(usual) <= room ? usual : '/tmp/truefork-');
  }

  get socketPath(): string {
    return join(this.#path, 'listener');
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
