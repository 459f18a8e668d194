// A server that has the key, and says what it is told to.
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';

function frame(payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}

/** The messages that come, without their headers. */
async function* framesOf(socket: Socket): AsyncGenerator<Buffer, void, undefined> {
  let bytes: Buffer = Buffer.alloc(0);
  for await (const piece of socket as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, piece]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) {
      const end = 4 + bytes.readUInt32BE();
      yield bytes.subarray(4, end);
      bytes = bytes.subarray(end);
    }
  }
}

const CHALLENGE = Buffer.from('#CHALLENGE#');
const WELCOME = frame(Buffer.from('#WELCOME#'));

async function shakeHands(
  socket: Socket,
  frames: AsyncIterator<Buffer>,
  key: Buffer,
  server: string,
): Promise<void> {
  const label = Buffer.from(`manager ${server}`);
  const challenge = [CHALLENGE, Buffer.from('{sha256}'), randomBytes(40), label];
  socket.write(frame(Buffer.concat(challenge)));
  await frames.next();
  socket.write(WELCOME);
  const theirs = (await frames.next()).value as Buffer;
  const digest = createHmac('sha256', key).update(theirs.subarray(CHALLENGE.length)).digest();
  socket.write(frame(Buffer.concat([Buffer.from('{sha256}'), digest])));
  await frames.next();
}

/** Listens at `path`, and answers the first request of each client with what `lie` says. */
export function startLying(path: string, key: Buffer, server: string, lie: () => Buffer): void {
  const answer = async (socket: Socket): Promise<void> => {
    const frames = framesOf(socket);
    await shakeHands(socket, frames, key, server);
    await frames.next();
    socket.end(lie());
    for await (const _ of frames);
  };
  createServer((socket) => {
    socket.on('error', () => {});
    answer(socket).catch(() => {});
  }).listen(path);
}
