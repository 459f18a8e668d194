// The addon, as it is loaded. The files beside this one say, one for each folder of native/, what
// is in it.
//
// Unless a comment says otherwise, a function returns what the system call of its name returns, or
// a negative errno.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ProcessError } from '../common/errors.js';
import { process } from '../common/originals.js';

/** Which C library this process has loaded: a binary for the one does not load with the other. */
function libc(): string {
  if (process.platform !== 'linux') return '';
  try {
    return readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-') ? '.musl' : '.glibc';
  } catch {
    return '.glibc'; // the usual one, as far as can be told without /proc
  }
}

function reasonOf(binary: string, cause: NodeJS.ErrnoException): string {
  if (cause.code === 'ERR_DLOPEN_DISABLED') {
    return (
      'truefork is a native addon, which this program may not load: run node with --allow-addons and ' +
      '--allow-inspector, or without --permission and --no-addons'
    );
  }
  if (existsSync(binary)) return `truefork cannot load ${binary}: ${cause.message}`;
  return (
    `truefork has no binary for ${process.platform}-${process.arch}${libc()}. In a checkout with a C++ ` +
    'compiler, `npm run build` makes one. Windows is not supported.'
  );
}

function load(): unknown {
  const require = createRequire(import.meta.url);
  const root = dirname(require.resolve('truefork/package.json'));
  const built = join(root, 'build/Release/truefork.node');
  const platform = `${process.platform}-${process.arch}`;
  const prebuilt = join(root, `prebuilds/${platform}/truefork${libc()}.node`);
  const binary = existsSync(built) ? built : prebuilt;
  try {
    return require(binary);
  } catch (cause) {
    const reason = reasonOf(binary, cause as NodeJS.ErrnoException);
    throw new ProcessError('ERR_TRUEFORK_UNSUPPORTED', reason, { cause });
  }
}

export const addon: unknown = load();
