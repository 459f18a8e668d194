// One connection of a client, as its server sees it.
import { ProcessError, type SystemError } from '../../common/errors.js';
import { isThenable } from '../../common/thenable.js';
import type { Source } from '../../serialize/origin.js';
import { adopt } from '../client/links.js';
import { NO_ANSWER, Reply, Request, SERVER_ITSELF, VERSION } from '../protocol/protocol.js';
import { referenceOf, type Token } from '../protocol/reference.js';
import { NO_TASKS, type Tasks } from '../protocol/tasks.js';
import { MessageReader, MessageWriter, type ProxyCodec } from '../protocol/values.js';
import { HEADER_BYTES, type Wire, writeHeader } from '../protocol/wire.js';
import type { OwnObjects } from './own-objects.js';
import { ServerReference } from './server-reference.js';
import { ClientCall, type Session } from './session.js';
import type { Store, StoredObject } from './store.js';

/** How many calls of one connection may wait at the same time. */
const MAX_CALLS = 10_000;
/** A client that does not read its replies is not read either. */
const MAX_UNREAD_BYTES = 1 << 20;

/** A message that is not one. */
class Nonsense extends Error {}

/**
 * Whether a message is good, but what it refers to is not there: no descriptor is left, or somebody
 * or something is gone.
 */
function cannotBeHad(error: unknown): boolean {
  const { code, syscall } = error as Partial<SystemError>;
  if (code === 'ERR_TRUEFORK_HANDLE_LOST' || code === 'ERR_TRUEFORK_NO_SUCH_OBJECT') return true;
  return code !== undefined && syscall !== undefined;
}

function readArgs(reader: MessageReader, most: number): never[] {
  const count = reader.readUint32();
  if (count > most) throw new Nonsense();
  const args: unknown[] = [];
  for (let i = 0; i < count; i++) args.push(reader.readValue());
  return args as never[];
}

function readTasks(reader: MessageReader, most: number): Tasks {
  if (reader.isAtEnd) return NO_TASKS;
  const count = reader.readUint32();
  if (count > most) throw new Nonsense();
  return Array.from({ length: count }, () => reader.readDouble());
}

interface ClientRequest {
  number: number;
  id: number;
  method: string;
  args: never[];
  tasks: Tasks;
}

/** The server, as far as a connection has to do with it. */
export interface Host {
  readonly identity: string;
  readonly source: Source;
  readonly store: Store;
  /** The objects as the server's own process uses them. */
  readonly own: OwnObjects;
  /** @returns the session of that name, which the client belongs to from now on */
  enter(client: ServedClient, session: string): Session;
  /** @param session undefined if it has not entered any */
  forget(client: ServedClient, session: Session | undefined): void;
  invoke(id: number, method: string, args: never[], call: ClientCall): unknown;
  administer(method: string, args: unknown[], call: ClientCall): unknown;
  /** @param pairs ids of objects, each followed by how often it is given up */
  drop(pairs: number[], session: Session): void;
}

export class ServedClient implements ProxyCodec {
  readonly source: Source;
  readonly #server: Host;
  readonly #wire: Wire;
  readonly #writer = new MessageWriter(this);
  readonly #calls = new Map<number, ClientCall>();
  #session: Session | undefined;

  constructor(server: Host, wire: Wire) {
    this.#server = server;
    this.#wire = wire;
    this.source = server.source;
    wire.listen(this, true);
  }

  onMessage(message: Buffer): void {
    const reader = new MessageReader(message, this);
    const most = message.length;
    let number = NO_ANSWER;
    let request: ClientRequest;
    try {
      number = reader.readUint32();
      const [id, method] = [reader.readDouble(), reader.readString()];
      const args = readArgs(reader, most);
      request = { number, id, method, args, tasks: readTasks(reader, most) };
    } catch (error) {
      if (this.#session !== undefined && cannotBeHad(error)) {
        return this.#answer(number, Reply.error, error);
      }
      return this.#hangUp();
    }
    this.#handle(request);
  }

  onEnd(): void {
    for (const call of this.#calls.values()) call.abort();
    this.#calls.clear();
    this.#server.forget(this, this.#session);
  }

  onDrain(): void {
    this.#wire.setPaused(false);
  }

  close(): void {
    this.#wire.close();
    this.onEnd();
  }

  toToken(proxy: object): Token {
    const { target, id, typeid, kind, shape } = referenceOf(proxy);
    if (target === this.#server.own) return this.#grant(this.#server.store.get(id));
    return { id, typeid, kind, shape, home: target.homeOf(id) };
  }

  fromToken(token: Token): object {
    if (token.home === undefined) return this.#server.own.proxyFor(token.id);
    return adopt(token, this.source.origin);
  }

  /** It has not said the truth about anything: so neither can the rest be believed. */
  #hangUp(): void {
    this.close();
  }

  #grant(object: StoredObject): Token {
    object.grant(this.#session!);
    const { id, typeid } = object;
    const { kind, shape } = object.behaviour;
    return { id, typeid, kind, shape };
  }

  #handle(request: ClientRequest): void {
    if (this.#session === undefined) return this.#welcome(request);
    const { number, id, method, args, tasks } = request;
    const call = new ClientCall(this.#session, tasks);
    try {
      const result =
        id === SERVER_ITSELF
          ? this.#administer(method, args, call)
          : this.#server.invoke(id, method, args, call);
      if (isThenable(result)) this.#answerLater(number, result, call);
      else this.#answer(number, Reply.value, result);
    } catch (error) {
      this.#answer(number, Reply.error, error);
    }
  }

  /** The first message says who it is. */
  #welcome({ number, id, method, args }: ClientRequest): void {
    const [version, session, pid] = args as unknown[];
    const isHello = id === SERVER_ITSELF && method === Request.hello;
    if (!isHello || typeof session !== 'string' || version !== VERSION) return this.#hangUp();
    this.#session = this.#server.enter(this, session);
    this.#session.pid = typeof pid === 'number' ? pid : undefined;
    this.#answer(number, Reply.value, this.#server.identity);
  }

  #administer(method: string, args: unknown[], call: ClientCall): unknown {
    switch (method) {
      case Request.cancel:
        return this.#calls.get(args[0] as number)?.abort();
      case Request.drop:
        return this.#server.drop(args as number[], call.session);
      default:
        return this.#server.administer(method, args, call);
    }
  }

  #answerLater(number: number, result: PromiseLike<unknown>, call: ClientCall): void {
    if (this.#calls.size >= MAX_CALLS) {
      call.abort();
      result.then(undefined, () => {});
      this.#answer(
        number,
        Reply.error,
        new ProcessError('ERR_TRUEFORK_TOO_MANY_WAITERS', `more than ${MAX_CALLS} calls wait`),
      );
      return;
    }
    this.#calls.set(number, call);
    result.then(
      (value) => this.#finish(number, Reply.value, value),
      (error: unknown) => this.#finish(number, Reply.error, error),
    );
  }

  #finish(number: number, kind: number, value: unknown): void {
    this.#calls.delete(number);
    this.#answer(number, kind, value);
  }

  #answer(number: number, kind: number, value: unknown): void {
    if (number === NO_ANSWER || this.#wire.isClosed) return;
    let message: Buffer;
    try {
      message = this.#write(number, kind, value);
    } catch (error) {
      message = this.#writeFailure(number, error);
    }
    this.#wire.send(message);
    if (this.#wire.backlog > MAX_UNREAD_BYTES) this.#wire.setPaused(true);
  }

  /** A result cannot be sent; why not can be, but for errors that throw when one looks at them. */
  #writeFailure(number: number, error: unknown): Buffer {
    try {
      return this.#write(number, Reply.error, error);
    } catch {
      const message = 'what the method has returned or thrown cannot be sent';
      const plain = new ProcessError('ERR_TRUEFORK_NOT_CLONABLE', message);
      return this.#write(number, Reply.error, plain);
    }
  }

  #write(number: number, kind: number, value: unknown): Buffer {
    const writer = this.#writer;
    writer.begin(HEADER_BYTES);
    writer.writeUint32(number);
    writer.writeByte(kind);
    try {
      if (ServerReference.is(value)) writer.writeToken(this.#grant(value.object));
      else writer.writeValue(value);
    } catch (error) {
      writer.discard();
      throw error;
    }
    const message = writer.end();
    writeHeader(message);
    return message;
  }
}
