import { cpus, release, totalmem } from 'node:os';

/** One line that says on what the numbers were measured. */
export function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  const processor = cpus()[0]?.model.trim() ?? process.arch;
  return `Node ${process.version}, ${process.platform} ${release()}, ${cpus().length} x ${processor}, ${memory} GiB`;
}
