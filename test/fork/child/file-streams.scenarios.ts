// Streams of files that are busy when a process is forked: what the parent has written the parent
// writes, once, and what the child writes is written.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  promises as files,
  readFileSync,
  writeFileSync,
  type WriteStream,
} from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { gunzipSync, createGzip, createGunzip } from 'node:zlib';
import sonicBoom from 'sonic-boom';
import { _exit, fork, waitpid } from 'truefork/posix';
import { sleep } from '../../support/observe.js';
import type { Scenarios } from '../../support/scenarios.js';
import { inScratch, parent, succeeds } from './support.js';

const { SonicBoom } = sonicBoom;

const LONG = `${'parent'.repeat(40_000)}\n`;

function scratch(): string {
  return inScratch((directory) => join(directory, 'log.txt'));
}

async function ended(stream: Writable): Promise<void> {
  stream.end();
  if (!stream.closed) await once(stream, 'close');
}

async function opened(path: string, options: object = {}): Promise<WriteStream> {
  const stream = createWriteStream(path, options);
  await once(stream, 'open');
  return stream;
}

/** Whatever order they came in. */
function assertLines(path: string, expected: string[]): void {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  assert.deepEqual(lines.toSorted(), expected.toSorted());
}

/** States that a stream can be in the middle of. */
const BUSY: Record<string, (stream: WriteStream) => unknown> = {
  'a write'(stream) {
    stream.write('parent 1\n');
  },
  'a write, and more in its buffer'(stream) {
    for (let i = 1; i <= 3; i++) stream.write(`parent ${i}\n`);
  },
  'a cork'(stream) {
    stream.cork();
    stream.write('parent 1\n');
    process.nextTick(() => stream.uncork());
  },
  'a cork, and nothing written'(stream) {
    stream.cork();
    process.nextTick(() => stream.uncork());
  },
};

export const scenarios: Scenarios = {
  async 'a stream that is busy with something'() {
    for (const [what, keepBusy] of Object.entries(BUSY)) {
      const path = scratch();
      const stream = await opened(path);
      keepBusy(stream);
      await succeeds(() => {
        stream.write('child 1\n');
        stream.write('child 2\n');
      });
      await ended(stream);
      const text = readFileSync(path, 'utf8');
      assert.equal(text.match(/child \d/g)?.length, 2, what);
      const lines = text.trimEnd().split('\n');
      assert.equal(new Set(lines).size, lines.length, what);
    }
  },

  async 'a stream of which the child waits'() {
    const path = scratch();
    const stream = await opened(path);
    stream.write('parent\n', () => assert.equal(process.pid, parent));
    await succeeds(async () => {
      await new Promise((resolve) => stream.write('child 1\n', resolve));
      stream.end('child 2\n');
      await once(stream, 'finish');
      await once(stream, 'close');
    });
    await ended(stream);
    assertLines(path, ['parent', 'child 1', 'child 2']);
  },

  async 'a stream with no room'() {
    const path = scratch();
    const stream = await opened(path);
    assert.equal(stream.write(LONG), false);
    void once(stream, 'drain').then(() => assert.equal(process.pid, parent));
    await succeeds(async () => {
      assert.equal(stream.writableNeedDrain, false);
      if (!stream.write(`${'child'.repeat(40_000)}\n`)) await once(stream, 'drain');
      stream.write('drained\n');
    });
    await ended(stream);
    assert.match(readFileSync(path, 'utf8'), /^(parent)+\n(child)+\ndrained\n$/);
  },

  async 'a stream that the child pipes into'() {
    const path = scratch();
    const stream = await opened(path);
    stream.write(LONG);
    await succeeds(() => {
      const source = new PassThrough();
      source.pipe(stream, { end: false });
      source.end('child\n');
    });
    await ended(stream);
    assert.equal(readFileSync(path, 'utf8'), `${LONG}child\n`);
  },

  async 'a stream that waits for the one that it is piped into'() {
    const path = scratch();
    const stream = await opened(path);
    const source = new PassThrough();
    source.pipe(stream);
    for (let i = 0; i < 3; i++) source.write(LONG);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    await succeeds(() => {
      source.write('child 1\n');
      source.write('child 2\n');
    });
    source.end('end\n');
    await once(stream, 'close');
    const text = readFileSync(path, 'utf8');
    assert.equal(text.split(LONG).length, 4);
    assert.equal(
      text
        .replaceAll(LONG, '')
        .match(/\w+( \d)?/g)
        ?.toSorted()
        .join(),
      'child 1,child 2,end',
    );
  },

  async 'a stream that writes to one of a file'() {
    const path = scratch();
    const stream = await opened(path);
    const logger = new Writable({
      write(chunk, encoding, callback) {
        stream.write(chunk, encoding, callback);
      },
    });
    logger.write('parent 1\n');
    logger.write('parent 2\n');
    await succeeds(() => {
      logger.write('child 1\n');
      logger.write('child 2\n');
    });
    await ended(logger);
    await ended(stream);
    assertLines(path, ['parent 1', 'parent 2', 'child 1', 'child 2']);
  },

  async 'a stream that writes at positions'() {
    const path = scratch();
    writeFileSync(path, '');
    const stream = await opened(path, { flags: 'r+', start: 0 });
    stream.write('parent 1\n');
    stream.write('parent 2\n');
    await succeeds(() => void stream.write('child\n'));
    await ended(stream);
    assertLines(path, ['parent 1', 'parent 2', 'child']);
  },

  async 'a stream of a FileHandle'() {
    const path = scratch();
    const handle = await files.open(path, 'w');
    const stream = handle.createWriteStream();
    stream.write('parent 1\n');
    stream.write('parent 2\n');
    const other = handle.write('parent 3\n');
    await succeeds(async () => {
      stream.write('child 1\n');
      await handle.write('child 2\n');
    });
    await other;
    await ended(stream);
    assertLines(path, ['parent 1', 'parent 2', 'parent 3', 'child 1', 'child 2']);
  },

  async 'a stream whose file is not open yet'() {
    const moments = [
      async () => {},
      () => new Promise<void>((resolve) => process.nextTick(resolve)),
    ];
    for (const flags of ['w', 'a', 'wx']) {
      for (const moment of moments) {
        const path = scratch();
        const stream = createWriteStream(path, { flags });
        const events: string[] = [];
        for (const event of ['open', 'ready']) stream.on(event, () => events.push(event));
        stream.write('parent 1\n');
        await moment();
        await succeeds(() => {
          stream.write('child 1\n');
          return succeeds(() => void stream.write('grandchild\n'));
        });
        stream.write('parent 2\n');
        await ended(stream);
        assert.deepEqual(events, ['open', 'ready']);
        assertLines(path, ['parent 1', 'parent 2', 'child 1', 'grandchild']);
      }
    }
  },

  async 'a stream whose file cannot be opened'() {
    const stream = createWriteStream(join(scratch(), 'log.txt'));
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => stream.once('error', resolve));
    await succeeds(async () => {
      stream.write('child\n');
      assert.equal((await failed).code, 'ERR_TRUEFORK_NOT_INHERITED');
    });
    assert.match((await failed).code!, /ENOENT|ENOTDIR/);
  },

  async 'a stream that the parent has ended'() {
    const path = scratch();
    const stream = await opened(path);
    stream.end('parent\n');
    await succeeds(async () => {
      const error = await new Promise((resolve) => stream.end(resolve as () => void));
      assert.equal((error as NodeJS.ErrnoException).code, 'ERR_STREAM_ALREADY_FINISHED');
    });
    if (!stream.closed) await once(stream, 'close');
    assertLines(path, ['parent']);
  },

  async 'a stream that is read'() {
    const path = scratch();
    const size = 300_000;
    writeFileSync(path, 'x'.repeat(size));
    const stream = createReadStream(path);
    await once(stream, 'open');
    stream.read();
    await succeeds(async () => {
      let rest = 0;
      for await (const chunk of stream) rest += (chunk as Buffer).length;
      assert.ok(rest > 0 && rest <= size);
    });
    stream.destroy();

    const unopened = createReadStream(path);
    const readAll = async (): Promise<void> => {
      let length = 0;
      for await (const chunk of unopened) length += (chunk as Buffer).length;
      assert.equal(length, size);
    };
    await succeeds(readAll);
    await readAll();
  },

  async 'a stream that compresses'() {
    const gzip = createGzip();
    const chunks: Buffer[] = [];
    gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
    let failure: unknown;
    gzip.on('error', (error) => (failure = error));
    gzip.write(LONG);
    await succeeds(async () => {
      const error = await new Promise((resolve) => gzip.write('child\n', resolve));
      assert.equal((error as NodeJS.ErrnoException).code, 'ERR_TRUEFORK_NOT_INHERITED');
      await sleep(1);
      assert.equal(failure, error);
      const own = createGzip();
      own.end('child');
      let text = '';
      for await (const chunk of own.pipe(createGunzip())) text += String(chunk);
      assert.equal(text, 'child');
    });
    gzip.end();
    await once(gzip, 'end');
    assert.equal(String(gunzipSync(Buffer.concat(chunks))), LONG);
  },

  async 'a logger that calls fs.write() by itself'() {
    const path = scratch();
    const logger = new SonicBoom({ dest: path, sync: false });
    await once(logger, 'ready');
    for (let i = 1; i <= 3; i++) logger.write(`parent ${i}\n`);
    await succeeds(async () => {
      logger.write('child 1\n');
      logger.write('child 2\n');
      await succeeds(() => void logger.write('grandchild\n'));
    });
    logger.end();
    await once(logger, 'close');
    assertLines(path, ['parent 1', 'parent 2', 'parent 3', 'child 1', 'child 2', 'grandchild']);

    const unopened = new SonicBoom({ dest: path, sync: false });
    await succeeds(() => assert.throws(() => unopened.write('child\n'), /destroyed/));
    unopened.end();
    await once(unopened, 'close');
  },

  async 'posix.fork(): a stream that writes, or opens its file'() {
    for (const open of [opened, (path: string) => createWriteStream(path)]) {
      const path = scratch();
      const stream = await open(path);
      stream.write('parent\n');
      const pid = fork();
      if (pid === 0) {
        stream.write('child\n', () => _exit(0));
        await sleep(20_000);
      }
      assert.equal(waitpid(pid)!.exitcode, 0);
      await ended(stream);
      assertLines(path, ['parent', 'child']);
    }
  },
};
