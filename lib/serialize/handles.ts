// Descriptors, sockets and servers that are sent to other processes.
import { createServer, Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ProcessError } from '../common/errors.js';
import { inspectBy } from '../common/inspection.js';
import { checkReceivers } from '../common/receivers.js';
import { assertDescriptor } from '../common/validate.js';
import { close, dup } from '../posix/descriptors.js';
import { isListening, socketKind } from '../posix/sockets.js';
import { makeShareable } from './shareables.js';

const dropped = new FinalizationRegistry<number>(close);

/**
 * A duplicate of a descriptor, to be sent to another process, as Python's
 * `multiprocessing.reduction.DupFd`. Sending leaves it open here; the receiver gets a DupFd with a
 * number of its own, close-on-exec.
 *
 * @example
 * ```ts
 * using file = new DupFd(fs.openSync('log', 'a'));
 * await connection.send(file); // there: const fd = (await connection.recv()).detach()
 * ```
 */
export class DupFd {
  #fd: number | undefined;

  /** @throws SystemError `EBADF`, `EMFILE` */
  constructor(fd: number) {
    assertDescriptor(fd);
    this.#fd = dup(fd);
    dropped.register(this, this.#fd, this);
  }

  /**
   * The descriptor, which is closed with this object. @throws ProcessError `ERR_TRUEFORK_CLOSED`
   */
  fileno(): number {
    if (this.#fd !== undefined) return this.#fd;
    throw new ProcessError('ERR_TRUEFORK_CLOSED', 'handle is closed');
  }

  /** The descriptor, which is the caller's from now on. Throws as {@link fileno} does. */
  detach(): number {
    const fd = this.fileno();
    dropped.unregister(this);
    this.#fd = undefined;
    return fd;
  }

  /**
   * Closes the descriptor, unless it was {@link detach}ed. It is closed, too, when this is garbage.
   */
  close(): void {
    if (this.#fd !== undefined) close(this.detach());
  }

  /** For `using`: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  static {
    checkReceivers(this, (object) => #fd in object);
    inspectBy(this, describe);
    function describe(this: DupFd): string {
      return `DupFd(${this.#fd ?? 'closed'})`;
    }
    makeShareable('DupFd', DupFd, {
      toParts: (handle, attachments) => attachments.descriptor(handle.fileno()),
      fromParts(number: number, delivered) {
        const fd = delivered.descriptor(number);
        try {
          return new DupFd(fd);
        } finally {
          close(fd);
        }
      },
    });
  }
}

function notShareable(message: string): ProcessError {
  return new ProcessError('ERR_TRUEFORK_NOT_SHAREABLE', message);
}

function descriptorOf(object: Socket | Server): number {
  const { _handle: handle } = object as { _handle?: { fd?: number } | null };
  if (handle?.fd !== undefined && handle.fd >= 0) return handle.fd;
  throw new ProcessError(
    'ERR_TRUEFORK_CLOSED',
    'cannot send what is not open: a server must listen, and a socket be connected',
  );
}

function assertQuiet(socket: Socket): void {
  if (socket instanceof TLSSocket) {
    throw notShareable('a TLS socket cannot be sent: its keys change with each record');
  }
  if (socket.readableLength === 0 && socket.writableLength === 0 && !socket.connecting) return;
  throw notShareable(
    'a socket cannot be sent before it is connected, or with data that was received and not read, or ' +
      'written and not sent',
  );
}

/** A peer may have sent something else: Node would say so later, where nobody listens. */
function checked(fd: number, shallListen: boolean): number {
  const isRight = socketKind(fd) !== 'none' && isListening(fd) === shallListen;
  if (isRight) return fd;
  close(fd);
  throw new TypeError('the descriptor is not what the message says');
}

makeShareable<Socket, { fd: number; allowHalfOpen: boolean }>('net.Socket', Socket, {
  toParts(socket, attachments) {
    const fd = descriptorOf(socket);
    assertQuiet(socket);
    return { fd: attachments.descriptor(fd), allowHalfOpen: socket.allowHalfOpen };
  },
  fromParts({ fd: number, allowHalfOpen }, delivered) {
    const fd = checked(delivered.descriptor(number), false);
    const options = { readable: true, writable: true, pauseOnCreate: true };
    return new Socket({ ...options, allowHalfOpen, fd });
  },
});

makeShareable<Server, { fd: number }>('net.Server', Server, {
  toParts: (server, attachments) => ({ fd: attachments.descriptor(descriptorOf(server)) }),
  fromParts: ({ fd }, delivered) =>
    createServer().listen({ fd: checked(delivered.descriptor(fd), true) }),
});
