/**
 * Carries bytes between sockets of this machine and ports of a guest. Invariants: neither side is read faster than the other takes; an end of one side is
 * told to the other, and the other direction goes on; a guest that refuses ends the socket at once.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { UserNetwork } from '#pkg/vmm/host/user-network.ts';

/** Bytes for the guest that wait here; with more, the socket is not read until some have arrived. */
const unsentBytesMax = 256 * 1024;

/** Ports and connections of one guest. */
export class GuestRelay {
  readonly #network: UserNetwork;
  readonly #wake: () => void;
  readonly #servers: Server[] = [];

  /** `wake`: there is something for the guest. */
  constructor(network: UserNetwork, wake: () => void) {
    this.#network = network;
    this.#wake = wake;
  }

  /** Listens at `address` on a port for the guest's port of that number. Rejects where it cannot. */
  async listen(address: string, port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#carry(socket, port));
    this.#servers.push(server);
    await listening(server, address, port);
  }

  /** Connects to a port of the guest and says at which port of this machine who connects first has that connection. Rejects where nobody listens. */
  forward(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const pending: Uint8Array[] = [];
      let take: ((socket: Socket) => void) | undefined;
      let sink: ReturnType<GuestRelay['sink']> | undefined;
      const connection = this.#network.connect(port, {
        opened: () => {
          const server = createServer({ allowHalfOpen: true }, (socket) => {
            server.close();
            take?.(socket);
          });
          server.once('error', reject);
          listening(server, '127.0.0.1', 0).then(() => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          }, reject);
        },
        data: (bytes) => (sink === undefined ? pending.push(bytes) : sink.data(bytes)),
        ended: () => (sink === undefined ? pending.push(new Uint8Array(0)) : sink.ended()),
        drained: () => sink?.drained(),
        closed: (reason) => {
          sink?.closed(reason);
          reject(new Error(reason ?? 'connection closed'));
        },
      });
      if (connection === undefined) {
        reject(new Error('the guest has too many connections'));
        return;
      }
      take = (socket) => {
        sink = this.sink(socket, connection);
        for (const bytes of pending) bytes.length === 0 ? sink.ended() : sink.data(bytes);
      };
      this.#wake();
    });
  }

  /** Ends what listens; connections end with the process's thread. */
  close(): void {
    for (const server of this.#servers) server.close();
  }

  #carry(socket: Socket, port: number): void {
    let sink: ReturnType<GuestRelay['sink']> | undefined;
    const connection = this.#network.connect(port, {
      opened: () => undefined,
      data: (bytes) => sink?.data(bytes),
      ended: () => sink?.ended(),
      drained: () => sink?.drained(),
      closed: (reason) => sink?.closed(reason),
    });
    if (connection === undefined) socket.resetAndDestroy();
    else sink = this.sink(socket, connection);
    this.#wake();
  }

  /** Ties a socket to a connection. */
  sink(socket: Socket, connection: NonNullable<ReturnType<UserNetwork['connect']>>) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      connection.write(bytes);
      if (connection.unsentBytes > unsentBytesMax) socket.pause();
      this.#wake();
    });
    socket.on('end', () => {
      connection.end();
      this.#wake();
    });
    // What went wrong shows in the end.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      connection.destroy();
      this.#wake();
    });
    let said: Uint8Array[] = [];
    const pass = (): void => {
      const [first, ...others] = said;
      if (first === undefined) return;
      const bytes = others.length === 0 ? first : Buffer.concat(said);
      said = [];
      socket.write(bytes, () => {
        connection.consumed(bytes.length);
        this.#wake();
      });
    };
    return {
      data: (bytes: Uint8Array) => {
        // What the guest says in one slice goes in one write.
        if (said.push(bytes) === 1) queueMicrotask(pass);
      },
      ended: () => {
        pass();
        socket.end();
      },
      drained: () => {
        if (connection.unsentBytes <= unsentBytesMax) socket.resume();
      },
      closed: (reason: string | undefined) => {
        pass();
        if (reason === undefined) socket.end();
        else socket.resetAndDestroy();
      },
    };
  }
}

function listening(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
