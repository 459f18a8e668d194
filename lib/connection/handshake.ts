// The handshake of Python's multiprocessing, by which each side shows the other that it knows the
// key, without sending it.
//
// One sends a challenge, random bytes; the other answers with their HMAC. Since Python 3.12 both
// say which digest is meant; before, a challenge had 20 bytes and the answer was an HMAC-MD5. As
// there, a peer that knows only that is served, too.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { AuthenticationError } from '../common/errors.js';
import { READABLE, WRITABLE } from '../posix/poller.js';
import { FrameReader, OutgoingFrame } from '../serialize/frames.js';

const CHALLENGE = Buffer.from('#CHALLENGE#');
const WELCOME = Buffer.from('#WELCOME#');
const FAILURE = Buffer.from('#FAILURE#');
const NOTHING = Buffer.alloc(0);

/** No message of the handshake is longer, in bytes. */
const MAX_MESSAGE_BYTES = 256;
const CHALLENGE_LENGTH = 40;
const OLD_CHALLENGE_LENGTH = 20;
const MD5_LENGTH = 16;

/** Python's names of digests, and Node's. */
const DIGESTS = new Map([
  ['md5', 'md5'],
  ['sha256', 'sha256'],
  ['sha384', 'sha384'],
  ['sha3_256', 'sha3-256'],
  ['sha3_384', 'sha3-384'],
]);
const PREFIX = /^\{(\w{1,20})\}/;

interface Digested {
  /** Empty for messages of the old form. */
  digest: string;
  rest: Buffer;
}

function split(message: Buffer): Digested {
  if (message.length === OLD_CHALLENGE_LENGTH || message.length === MD5_LENGTH) {
    return { digest: '', rest: message };
  }
  const [prefix, digest] = PREFIX.exec(message.toString('latin1', 0, 30)) ?? [];
  if (digest === undefined || !DIGESTS.has(digest)) {
    throw new AuthenticationError(
      'unsupported message length, missing digest or unsupported digest',
    );
  }
  return { digest, rest: message.subarray(prefix!.length) };
}

function hmac(digest: string, authkey: Uint8Array, message: Buffer): Buffer {
  try {
    return createHmac(DIGESTS.get(digest)!, authkey).update(message).digest();
  } catch {
    // Node may have been told to do without MD5.
    throw new AuthenticationError(`the digest ${digest} is not available here`);
  }
}

function answerTo(challenge: Buffer, authkey: Uint8Array): Buffer {
  if (challenge.length < OLD_CHALLENGE_LENGTH) {
    throw new AuthenticationError(`challenge too short: ${challenge.length} bytes`);
  }
  const { digest } = split(challenge);
  if (digest === '') return hmac('md5', authkey, challenge);
  return Buffer.concat([Buffer.from(`{${digest}}`), hmac(digest, authkey, challenge)]);
}

function isRightAnswer(answer: Buffer, challenge: Buffer, authkey: Uint8Array): boolean {
  const { digest, rest } = split(answer);
  const right = hmac(digest === '' ? 'md5' : digest, authkey, challenge);
  return right.length === rest.length && timingSafeEqual(right, rest);
}

/** Ties a handshake to one server of a manager. */
export interface Binding {
  /** Which it is, or, for a client, has to be. undefined: any, and then it is noted here. */
  server: string | undefined;
}

/**
 * Where the options of `Client` and `Listener` have a {@link Binding}: nowhere that a program
 * could.
 */
export const BINDING: unique symbol = Symbol('binding');

export interface BoundOptions {
  [BINDING]?: Binding;
}

/** The server of a manager that is there is not the one that was meant. */
export class WrongServerError extends AuthenticationError {
  constructor() {
    super("another manager's server than the one that was meant answers at its address");
  }
}

const PREFIX_LENGTH = '{sha256}'.length;
const SERVER_LABEL = /^manager ([0-9a-f]{32})$/;
/** No server has this name: who is asked to answer its own challenge does not. */
const CLIENT_LABEL = 'client';

/** @throws AuthenticationError if `challenge` is not that of the right server */
function checkServer(challenge: Buffer, binding: Binding): void {
  const label = challenge.toString('latin1', PREFIX_LENGTH + CHALLENGE_LENGTH);
  const [, server] = SERVER_LABEL.exec(label) ?? [];
  if (server === undefined) {
    throw new AuthenticationError("what listens at the address is not a manager's server");
  }
  if ((binding.server ?? server) !== server) throw new WrongServerError();
  binding.server = server;
}

/** Yields what is to be sent, or undefined for what is to be received. */
type Exchange = Generator<Buffer | undefined, void, Buffer>;

function* deliverChallenge(authkey: Uint8Array, label: string): Exchange {
  const random = randomBytes(CHALLENGE_LENGTH);
  const challenge = Buffer.concat([Buffer.from('{sha256}'), random, Buffer.from(label)]);
  yield Buffer.concat([CHALLENGE, challenge]);
  const answer = yield;
  let failure = new AuthenticationError('digest received was wrong');
  try {
    if (isRightAnswer(answer, challenge, authkey)) {
      yield WELCOME;
      return;
    }
  } catch (error) {
    failure = error as AuthenticationError;
  }
  yield FAILURE;
  throw failure;
}

function* answerChallenge(authkey: Uint8Array, binding?: Binding): Exchange {
  const message = yield;
  if (!message.subarray(0, CHALLENGE.length).equals(CHALLENGE)) {
    throw new AuthenticationError('protocol error: expected a challenge');
  }
  const challenge = message.subarray(CHALLENGE.length);
  if (binding !== undefined) checkServer(challenge, binding);
  yield answerTo(challenge, authkey);
  const verdict = yield;
  if (!verdict.equals(WELCOME)) throw new AuthenticationError('digest sent was rejected');
}

function* serverExchange(authkey: Uint8Array, binding?: Binding): Exchange {
  yield* deliverChallenge(authkey, binding === undefined ? '' : `manager ${binding.server}`);
  yield* answerChallenge(authkey);
}

function* clientExchange(authkey: Uint8Array, binding?: Binding): Exchange {
  yield* answerChallenge(authkey, binding);
  yield* deliverChallenge(authkey, binding === undefined ? '' : CLIENT_LABEL);
}

/** A handshake over a socket that does not block. */
export class Handshake {
  readonly fd: number;
  /** The event to wait for before the next {@link step}. */
  event: number = READABLE;
  readonly #exchange: Exchange;
  readonly #reader = new FrameReader();
  #frame: OutgoingFrame | undefined;
  #hasBegun = false;

  /** @param role the server delivers the first challenge */
  constructor(fd: number, role: 'server' | 'client', authkey: Uint8Array, binding?: Binding) {
    this.fd = fd;
    this.#exchange = (role === 'server' ? serverExchange : clientExchange)(authkey, binding);
  }

  /**
   * Goes on as far as it can without waiting. Returns whether it is over, and the peer is who it
   * should be.
   *
   * @throws AuthenticationError, EOFError, ProcessError, SystemError
   */
  step(): boolean {
    let message = this.#hasBegun ? this.#transfer() : NOTHING;
    this.#hasBegun = true;
    while (message !== undefined) {
      const { done, value } = this.#exchange.next(message);
      if (done) return true;
      this.#frame = value && new OutgoingFrame(value);
      message = this.#transfer();
    }
    return false;
  }

  /** Sends or receives what is to be. Returns undefined if it has to wait. */
  #transfer(): Buffer | undefined {
    if (this.#frame === undefined) {
      this.event = READABLE;
      return this.#reader.read(this.fd, MAX_MESSAGE_BYTES);
    }
    this.event = WRITABLE;
    return this.#frame.write(this.fd) ? NOTHING : undefined;
  }
}
