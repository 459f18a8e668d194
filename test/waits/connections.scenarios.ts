// Calls that wait at connections.
import { Client, ClientSync, Connection, Listener, Pipe, wait, waitSync } from 'truefork';
import type { Scenarios } from '../support/scenarios.js';
import { Peer, programsOf, Raised, type Row, type Subject } from './states.js';

const TIMED_OUT = { is: new Raised('ERR_TRUEFORK_TIMEOUT') };
const FALSE = { is: false };
const AT_END = { is: new Raised('ERR_TRUEFORK_EOF') };
const KEY = Buffer.from('a key');
/** More than any buffer of the kernel's takes, in bytes. */
const MUCH = 2 ** 22;

type Waits = Pick<Subject, 'wait' | 'waitSync'>;

/** A connection whose other end the peer alone has. */
function toPeer(isDuplex: boolean, waits: (own: Connection) => Waits): Subject {
  const [own, other] = Pipe(isDuplex);
  const peer = new Peer(
    () => other.sendBytesSync(Buffer.from('hello')),
    () => own.close(),
  );
  other.close();
  return { ...waits(own), act: () => peer.act(), kill: () => peer.kill() };
}

/** One whose other end the peer reads when it acts. */
function fromOwn(isDuplex: boolean): Subject {
  const [other, own] = Pipe(isDuplex);
  const peer = new Peer(
    () => {
      // A message whose wait ended early is sent to its end.
      for (;;) other.recvBytesSync();
    },
    () => own.close(),
  );
  other.close();
  const bytes = Buffer.alloc(MUCH);
  return {
    wait: (options) => own.sendBytes(bytes, 0, undefined, options),
    waitSync: (options) => own.sendBytesSync(bytes, 0, undefined, options),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

function text(bytes: Buffer): string {
  return bytes.toString();
}

function receiving(own: Connection): Waits {
  return {
    wait: async (options) => text(await own.recvBytes(Infinity, options)),
    waitSync: (options) => text(own.recvBytesSync(Infinity, options)),
  };
}

function receivingInto(own: Connection): Waits {
  const room = Buffer.alloc(10);
  return {
    wait: (options) => own.recvBytesInto(room, 0, options),
    waitSync: (options) => own.recvBytesIntoSync(room, 0, options),
  };
}

function polling(own: Connection): Waits {
  return { wait: (options) => own.poll(options), waitSync: (options) => own.pollSync(options) };
}

function watching(own: Connection): Waits {
  return {
    wait: async (options) => (await wait([own], options)).length,
    waitSync: (options) => waitSync([own], options).length,
  };
}

/** Of several kinds, the connection becomes ready, and if the peer is dead its process, too. */
function watchingAll(): Subject {
  const [own, other] = Pipe();
  const listener = new Listener();
  const peer = new Peer(
    () => other.sendSync('hello'),
    () => own.close(),
  );
  other.close();
  const all = [own, listener, peer.process];
  return {
    wait: async (options) => (await wait(all, options)).includes(own),
    waitSync: (options) => waitSync(all, options).includes(own),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

/** A value, from a child that is asked for it. */
function receivingValue(): Subject {
  const [own, other] = Pipe();
  const peer = new Peer(
    () => other.sendSync({ hello: 'there' }),
    () => own.close(),
  );
  other.close();
  return {
    wait: (options) => own.recv(options),
    waitSync: (options) => own.recvSync(options),
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

/** An address of the abstract kind, which leaves nothing behind. */
function freshAddress(): string {
  return `\0truefork-waits-${process.pid}-${performance.now()}`;
}

function accepting(authkey: Buffer | undefined): Subject {
  const listener = new Listener(undefined, { authkey });
  const peer = new Peer(() => ClientSync(listener.address, { authkey }));
  return {
    wait: async (options) => (await listener.accept(options)) instanceof Connection,
    waitSync: (options) => listener.acceptSync(options) instanceof Connection,
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

function connecting(): Subject {
  const address = freshAddress();
  let listener: Listener;
  const peer = new Peer(
    async () => {
      // One that had given up goes first.
      for (;;) await listener.accept().catch(() => {});
    },
    () => void (listener = new Listener(address, { authkey: KEY })),
  );
  return {
    wait: async (options) =>
      (await Client(address, { authkey: KEY, ...options })) instanceof Connection,
    waitSync: (options) => ClientSync(address, { authkey: KEY, ...options }) instanceof Connection,
    act: () => peer.act(),
    kill: () => peer.kill(),
  };
}

function received(make: () => Subject, value: unknown): Row {
  return { make, value, timeout: TIMED_OUT, dead: AT_END };
}

const BROKEN = { is: new Raised('EPIPE') };

const rows: Record<string, Row> = {
  recv: received(receivingValue, { hello: 'there' }),
  recvBytes: received(() => toPeer(true, receiving), 'hello'),
  'recvBytes of a simplex pipe': received(() => toPeer(false, receiving), 'hello'),
  recvBytesInto: received(() => toPeer(true, receivingInto), 5),
  poll: {
    make: () => toPeer(true, polling),
    value: true,
    timeout: FALSE,
    dead: { is: true },
  },
  'wait([connection])': {
    make: () => toPeer(true, watching),
    value: 1,
    timeout: { is: 0 },
    dead: { is: 1 },
  },
  'wait([connection, listener, process])': {
    make: watchingAll,
    value: true,
    timeout: FALSE,
    dead: { is: true },
    isOwn: true,
  },
  sendBytes: { make: () => fromOwn(true), value: undefined, timeout: TIMED_OUT, dead: BROKEN },
  'sendBytes to a simplex pipe': {
    make: () => fromOwn(false),
    value: undefined,
    timeout: TIMED_OUT,
    dead: BROKEN,
  },
  accept: { make: () => accepting(undefined), value: true, timeout: TIMED_OUT, dead: TIMED_OUT },
  'accept with a key': {
    make: () => accepting(KEY),
    value: true,
    timeout: TIMED_OUT,
    dead: TIMED_OUT,
  },
  Client: {
    make: connecting,
    value: true,
    timeout: TIMED_OUT,
    dead: { is: new Raised('ECONNREFUSED') },
    died: AT_END,
  },
};

export const scenarios: Scenarios = programsOf(rows);
