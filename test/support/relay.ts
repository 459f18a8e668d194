// Between clients and a server: passes on as much as it is told to, and then nothing more.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

type Direction = 'toServer' | 'toClient';

/**
 * After how many bytes, counted over all connections, {@link Limit.onCut} is called and nothing
 * more passes.
 */
interface Limit {
  direction: Direction;
  bytes: number;
  onCut: () => void;
}

export class Relay {
  readonly #server: Server;
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  #passed: Record<Direction, number> = { toServer: 0, toClient: 0 };
  #ends: Record<Direction, number[]> = { toServer: [], toClient: [] };
  #limit: Limit | undefined;
  #isCut = false;

  /** @param target the path of the server's socket */
  constructor(target: string) {
    this.#target = target;
    this.#server = createServer((client) => this.#admit(client));
  }

  /** @param path of the socket that clients connect to */
  async listen(path: string): Promise<this> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
    return this;
  }

  /** Lets all pass, from the next connection on. */
  open(): void {
    this.#begin(undefined);
  }

  /** Lets so many bytes pass in one direction. */
  openFor(direction: Direction, bytes: number, onCut: () => void): void {
    this.#begin({ direction, bytes, onCut });
  }

  /** How many bytes had passed in a direction when a piece of them was complete. */
  endsOfPieces(direction: Direction): number[] {
    return [...this.#ends[direction]];
  }

  /** Ends all connections, and takes none. */
  disconnect(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.disconnect();
    this.#server.close();
  }

  #begin(limit: Limit | undefined): void {
    this.disconnect();
    this.#passed = { toServer: 0, toClient: 0 };
    this.#ends = { toServer: [], toClient: [] };
    this.#limit = limit;
    this.#isCut = false;
  }

  #admit(client: Socket): void {
    const server = connect(this.#target);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    }
    if (this.#isCut) {
      client.destroy();
      server.destroy();
      return;
    }
    this.#pass(client, server, 'toServer');
    this.#pass(server, client, 'toClient');
  }

  #pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (piece: Buffer) => this.#passOn(piece, to, direction));
    from.on('end', () => to.end());
    from.on('close', () => to.destroy());
  }

  #passOn(piece: Buffer, to: Socket, direction: Direction): void {
    if (this.#isCut) return;
    const isLimited = this.#limit?.direction === direction;
    const room = isLimited ? this.#limit!.bytes - this.#passed[direction] : Infinity;
    const part = piece.subarray(0, room);
    this.#passed[direction] += part.length;
    this.#ends[direction].push(this.#passed[direction]);
    to.write(part);
    if (part.length < room) return;
    this.#isCut = true;
    this.#limit!.onCut();
  }
}
