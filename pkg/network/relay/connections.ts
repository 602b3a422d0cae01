/** The TCP connections of several relays, counted, and ended together. */
import type { Socket } from 'node:net';

/** A number of connections with a limit: what comes beyond it is closed at once. */
export class Connections {
  readonly #limit: number;
  readonly #clients = new Set<Socket>();
  readonly #sockets = new Set<Socket>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Connections of clients now. */
  get count(): number {
    return this.#clients.size;
  }

  /** Counts a client's connection until it closes; false when there are too many. */
  add(client: Socket): boolean {
    if (this.#clients.size >= this.#limit) return false;
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    this.attach(client);
    return true;
  }

  /** Makes `close` end this socket too. */
  attach(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Resolves when every socket has closed. */
  async close(): Promise<void> {
    const closed = [...this.#sockets].map((socket) => {
      const done = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      socket.destroy();
      return done;
    });
    await Promise.all(closed);
  }
}
