import assert from 'node:assert/strict';
import { constants as bufferLimits } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  constants as fs,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { inChild, Process } from 'truefork';
import {
  _exit,
  close,
  fork,
  ftruncate,
  kill,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
  semClose,
  semGetValue,
  semOpen,
  semPost,
  semTryWait,
  semUnlink,
  semWait,
  shmOpen,
  shmUnlink,
  waitpid,
} from 'truefork/posix';
import { countDescriptors, countSharedMappings, sleep, until } from '../support/observe.js';
import type { Scenarios } from '../support/scenarios.js';

const { O_CREAT, O_EXCL, O_RDWR, O_RDONLY } = fs;
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const WRONG_VALUE = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };

function failure(syscall: string, code: keyof typeof constants.errno): object {
  const errno = -constants.errno[code];
  return { name: 'Error', message: `${syscall} ${code}`, code, syscall, errno };
}

function freshName(): string {
  return `/truefork-test-${randomBytes(8).toString('hex')}`;
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

export const scenarios: Scenarios = {
  'memory that a child shares'() {
    const numbers = new Int32Array(mmap(4096));
    assert.ok(numbers.every((number) => number === 0));
    const pid = fork();
    if (pid === 0) {
      numbers[7] = 42;
      Atomics.add(numbers, 8, 5);
      _exit(0);
    }
    assert.equal(waitpid(pid)!.exitcode, 0);
    assert.equal(numbers[7], 42);
    assert.equal(numbers[8], 5);
  },

  'memory that a child does not share'() {
    const numbers = new Int32Array(mmap(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
    numbers[0] = 1;
    const pid = fork();
    if (pid === 0) {
      numbers[0] += 1;
      _exit(numbers[0]);
    }
    assert.equal(waitpid(pid)!.exitcode, 2);
    assert.equal(numbers[0], 1);
  },

  'any length'() {
    const buffer = mmap(10_001);
    assert.equal(buffer.byteLength, 10_001);
    munmap(buffer);
  },

  'what is unmapped is empty, and no crash'() {
    const buffer = mmap(8192);
    const numbers = new Float64Array(buffer);
    const bytes = Buffer.from(buffer, 100, 100);
    numbers[0] = 1;
    const before = countSharedMappings();
    munmap(buffer);
    assert.equal(countSharedMappings(), before - 1);
    assert.equal(buffer.byteLength, 0);
    assert.equal(numbers.length, 0);
    assert.equal(numbers[0], undefined);
    numbers[0] = 2;
    assert.equal(numbers[0], undefined);
    assert.equal(bytes.length, 0);
    assert.throws(() => bytes.readInt8(0), RangeError);
    assert.throws(() => munmap(buffer), failure('munmap', 'EINVAL'));
    assert.throws(() => munmap(new ArrayBuffer(8)), failure('munmap', 'EINVAL'));
    assert.throws(() => munmap(bytes as never), WRONG_TYPE);
    assert.throws(() => munmap(new SharedArrayBuffer(8) as never), WRONG_TYPE);
  },

  'unmapped code that was hot'() {
    const buffer = mmap(8000);
    const numbers = new Float64Array(buffer);
    const sum = (): number => {
      let total = 0;
      for (let i = 0; i < 1000; i++) total += numbers[i]!;
      return total;
    };
    for (let i = 0; i < 5000; i++) sum();
    munmap(buffer);
    assert.ok(Number.isNaN(sum()));
  },

  'a child unmaps for itself alone'() {
    const buffer = mmap(4096);
    const bytes = new Uint8Array(buffer);
    const pid = fork();
    if (pid === 0) {
      bytes[0] = 1;
      munmap(buffer);
      _exit(bytes.length);
    }
    assert.equal(waitpid(pid)!.exitcode, 0);
    assert.equal(bytes[0], 1);
    munmap(buffer);
  },

  async 'memory that the parent unmapped and its child goes on with'() {
    const buffer = mmap(4096);
    const shared = new Int32Array(buffer);
    const gate = new Int32Array(mmap(4096));
    const child = new Process({
      target: () => {
        while (Atomics.load(gate, 0) === 0);
        shared[3] = 33;
        assert.equal(shared[3], 33);
      },
    });
    child.start();
    munmap(buffer);
    Atomics.store(gate, 0, 1);
    assert.equal(await child.join(), 0);
  },

  async 'what nobody refers to is unmapped'() {
    const before = countSharedMappings();
    // In a function of its own: no frame keeps the last one.
    const use = (): void => {
      for (let i = 0; i < 500; i++) new Uint8Array(mmap(4096 * ((i % 3) + 1)))[0] = 1;
    };
    use();
    await until(() => {
      collectGarbage();
      return countSharedMappings() < before + 50;
    });
    await inChild(async () => {
      use();
      await until(() => {
        collectGarbage();
        return countSharedMappings() < before + 60;
      });
    });
  },

  async 'what is unmapped and then collected is not unmapped again'() {
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 50; i++) munmap(mmap(4096));
      // The kernel gives the same addresses again.
      const kept = Array.from({ length: 50 }, () => new Uint8Array(mmap(4096)).fill(round));
      collectGarbage();
      await sleep(1);
      for (const bytes of kept) {
        assert.equal(bytes[4095], round);
        munmap(bytes.buffer);
      }
    }
  },

  'a buffer that was transferred'() {
    const before = mmap(4096) as ArrayBuffer & { transfer?(): ArrayBuffer };
    if (before.transfer === undefined) return; // Node 20
    new Uint8Array(before)[5] = 5;
    const after = before.transfer();
    assert.throws(() => munmap(before), failure('munmap', 'EINVAL'));
    assert.equal(new Uint8Array(after)[5], 5);
    munmap(after);
    assert.equal(after.byteLength, 0);
  },

  'clones are copies, and nothing takes it away'() {
    const buffer = mmap(4096);
    new Uint8Array(buffer)[0] = 9;
    const copy = structuredClone(buffer);
    new Uint8Array(buffer)[0] = 10;
    assert.equal(new Uint8Array(copy)[0], 9);
    try {
      structuredClone(buffer, { transfer: [buffer] }); // Node 20 makes a copy
    } catch (error) {
      assert.equal((error as Error).name, 'DataCloneError');
    }
    assert.equal(new Uint8Array(buffer)[0], 10);
  },

  async 'in a Worker, which unmaps what it leaves'() {
    const before = countSharedMappings();
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(
        `import('truefork/posix').then(({ mmap, munmap }) => {
          globalThis.kept = Array.from({ length: 200 }, () => mmap(4096));
          munmap(globalThis.kept.pop());
        });`,
        { eval: true },
      );
      const code = await new Promise((resolve) => worker.once('exit', resolve));
      assert.equal(code, 0);
    }
    await until(() => countSharedMappings() < before + 150);
  },

  'bad arguments of mmap'() {
    assert.throws(() => mmap(0), OUT_OF_RANGE);
    assert.throws(() => mmap(-1), OUT_OF_RANGE);
    assert.throws(() => mmap(1.5), OUT_OF_RANGE);
    assert.throws(() => mmap(Number.NaN), OUT_OF_RANGE);
    assert.throws(() => mmap(bufferLimits.MAX_LENGTH * 2), OUT_OF_RANGE);
    assert.throws(() => mmap('1' as never), WRONG_TYPE);
    assert.throws(() => mmap(1, PROT_READ, MAP_ANONYMOUS), failure('mmap', 'EINVAL'));
    assert.throws(() => mmap(1, PROT_READ, MAP_SHARED, -1), failure('mmap', 'EBADF'));
    assert.throws(() => mmap(1, PROT_READ, MAP_SHARED, 0, 5), failure('mmap', 'EINVAL'));
  },

  'no memory'() {
    const [, size] = /^VmSize:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
    const limit = Number(size) * 1024 + 2 ** 29;
    execFileSync('prlimit', ['--pid', String(process.pid), `--as=${limit}`]);
    assert.throws(() => mmap(2 ** 30), failure('mmap', 'ENOMEM'));
    munmap(mmap(4096));
  },

  'shared memory objects'() {
    const name = freshName();
    const fd = shmOpen(name, O_CREAT | O_EXCL | O_RDWR);
    ftruncate(fd, 10_000);
    assert.equal(fstatSync(fd).size, 10_000);
    assert.equal(fstatSync(fd).mode & 0o777, 0o600);
    const ours = new Uint8Array(mmap(10_000, PROT_READ | PROT_WRITE, MAP_SHARED, fd));
    close(fd);
    ours[9999] = 77;
    assert.throws(() => shmOpen(name, O_CREAT | O_EXCL | O_RDWR), failure('shm_open', 'EEXIST'));
    const again = shmOpen(name, O_RDWR);
    const theirs = new Uint8Array(mmap(10_000, PROT_READ | PROT_WRITE, MAP_SHARED, again));
    const second = new Uint8Array(mmap(1808, PROT_READ, MAP_SHARED, again, 8192));
    close(again);
    assert.equal(theirs[9999], 77);
    theirs[8192] = 1;
    assert.equal(second[0], 1);
    assert.equal(ours[8192], 1);
    shmUnlink(name);
    assert.throws(() => shmUnlink(name), failure('shm_unlink', 'ENOENT'));
    assert.throws(() => shmOpen(name, O_RDWR), failure('shm_open', 'ENOENT'));
    assert.equal(theirs[9999], 77);
  },

  'names that cannot be'() {
    assert.throws(() => shmOpen('/a\0b', O_RDWR), WRONG_VALUE);
    assert.throws(() => shmOpen('/a/b', O_RDWR), failure('shm_open', 'EINVAL'));
    assert.throws(() => shmOpen(`/${'n'.repeat(300)}`, O_RDWR), { syscall: 'shm_open' });
    assert.throws(() => shmOpen(5 as never, O_RDWR), WRONG_TYPE);
    assert.throws(() => semOpen('/a\0b'), WRONG_VALUE);
    assert.throws(() => semOpen(freshName()), failure('sem_open', 'ENOENT'));
    assert.throws(() => ftruncate(2 ** 31 - 1, 1), failure('ftruncate', 'EBADF'));
    assert.throws(() => ftruncate(0, -1), OUT_OF_RANGE);
  },

  'a file as memory'() {
    const path = `/tmp${freshName()}`;
    writeFileSync(path, 'hello');
    const fd = openSync(path, O_RDWR);
    const bytes = Buffer.from(mmap(5, PROT_READ | PROT_WRITE, MAP_SHARED, fd));
    bytes.write('J');
    assert.equal(execFileSync('cat', [path]).toString(), 'Jello');
    const readOnly = openSync(path, O_RDONLY);
    assert.throws(
      () => mmap(5, PROT_READ | PROT_WRITE, MAP_SHARED, readOnly),
      failure('mmap', 'EACCES'),
    );
    execFileSync('rm', [path]);
  },

  'no descriptor is left open'() {
    const before = countDescriptors();
    for (let i = 0; i < 50; i++) {
      const name = freshName();
      const fd = shmOpen(name, O_CREAT | O_EXCL | O_RDWR);
      ftruncate(fd, 4096);
      const buffer = mmap(4096, PROT_READ, MAP_SHARED, fd);
      close(fd);
      shmUnlink(name);
      munmap(buffer);
      semClose(semOpen(name, O_CREAT));
      semUnlink(name);
    }
    assert.equal(countDescriptors(), before);
  },

  'out of descriptors'() {
    execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=40:4096']);
    const name = freshName();
    const fds: number[] = [];
    assert.throws(
      () => {
        for (;;) fds.push(shmOpen(name, O_CREAT | O_RDWR));
      },
      { code: 'EMFILE', syscall: 'shm_open' },
    );
    for (const fd of fds) close(fd);
    shmUnlink(name);
  },

  'semaphores count, in several processes'() {
    const name = freshName();
    const sem = semOpen(name, O_CREAT | O_EXCL, 0o600, 2);
    assert.throws(() => semOpen(name, O_CREAT | O_EXCL), failure('sem_open', 'EEXIST'));
    assert.equal(semGetValue(sem), 2);
    assert.equal(semTryWait(sem), true);
    assert.equal(semWait(sem), true);
    assert.equal(semTryWait(sem), false);
    assert.equal(semWait(sem, 5), false);
    assert.equal(semWait(sem, -5), false);
    const pid = fork();
    if (pid === 0) {
      const again = semOpen(name);
      semPost(again);
      semPost(sem);
      semClose(again);
      _exit(semGetValue(sem) > 2 ? 1 : 0);
    }
    assert.equal(semWait(sem), true);
    assert.equal(semWait(sem, 60_000), true);
    assert.equal(waitpid(pid)!.exitcode, 0);
    assert.equal(semGetValue(sem), 0);
    semClose(sem);
    semUnlink(name);
    for (const use of [semClose, semPost, semTryWait, semWait, semGetValue]) {
      assert.throws(() => use(sem), { code: 'EINVAL' });
      assert.throws(() => use(12_345), { code: 'EINVAL' });
      assert.throws(() => use(-1), OUT_OF_RANGE);
    }
    assert.throws(() => semUnlink(name), failure('sem_unlink', 'ENOENT'));
    assert.throws(() => semOpen(freshName(), O_CREAT, 0o600, 2 ** 32 - 1), { code: 'EINVAL' });
    assert.throws(() => semWait(sem, Number.NaN), WRONG_TYPE);
  },

  'a semaphore taken again is another one'() {
    const names = [freshName(), freshName()];
    const [first, second] = names.map((name, i) => semOpen(name, O_CREAT, 0o600, i + 1));
    assert.deepEqual([semGetValue(first!), semGetValue(second!)], [1, 2]);
    semClose(first!);
    const third = semOpen(names[1]!);
    assert.equal(semGetValue(third), 2);
    semPost(third);
    assert.equal(semGetValue(second!), 3);
    semClose(second!);
    assert.equal(semGetValue(third), 3);
    semClose(third);
    names.forEach(semUnlink);
  },

  async 'a waiting process can be killed'() {
    const name = freshName();
    const sem = semOpen(name, O_CREAT);
    const child = new Process({ target: () => semWait(sem) });
    child.start();
    kill(child.pid!, 'SIGKILL');
    assert.equal(await child.join(), -9);
    semPost(sem);
    assert.equal(semTryWait(sem), true);
    semUnlink(name);
  },

  'Python has the same'() {
    const name = freshName();
    const sem = semOpen(name, O_CREAT, 0o600, 1);
    const script = `
import _multiprocessing, sys
SemLock = _multiprocessing.SemLock
sem = SemLock._rebuild(0, 1, 10, sys.argv[1])
assert sem._get_value() == 1
sem.release()
sem.release()
`;
    execFileSync('python3', ['-c', script, name]);
    assert.equal(semGetValue(sem), 3);
    semUnlink(name);
    assert.ok(!existsSync(`/dev/shm/sem.${name.slice(1)}`));
  },
};
