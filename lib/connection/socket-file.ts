// Sockets in the file system, which are removed with their listener, or when this process exits.
import { unlinkSync } from 'node:fs';
import type { SystemError } from '../common/errors.js';
import { process } from '../common/originals.js';
import { thisProcess } from '../common/per-process.js';

/** A socket in the file system, which must not stay there. */
export interface SocketFile {
  owner: symbol;
  remove(): void;
}

const socketFiles = new Set<SocketFile>();

export function removeSocketFile(socketFile: SocketFile): void {
  if (!socketFiles.delete(socketFile) || socketFile.owner !== thisProcess) return;
  socketFile.remove();
}

function removeSocketFiles(): void {
  for (const socketFile of socketFiles) removeSocketFile(socketFile);
}

/** From here on the file is removed at the latest when this process exits, by `remove`. */
export function noteSocketFile(remove: () => void): SocketFile {
  const socketFile = { owner: thisProcess, remove };
  socketFiles.add(socketFile);
  if (!process.listeners('exit').includes(removeSocketFiles)) process.on('exit', removeSocketFiles);
  return socketFile;
}

/** Removes a path that may be gone. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as SystemError).code !== 'ENOENT') throw error;
  }
}
