/** A TCP listener that carries each connection to an endpoint, byte for byte, with half-close and back-pressure. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import type { Connections } from './connections.ts';
import { connectTimeoutsMs } from './limits.ts';
import { addressKey, type RelayAddress, type RelayOptions } from './relay.ts';

/** Where to listen and what to count. */
export interface TcpRelayOptions extends RelayOptions {
  readonly clock: Clock;
  readonly connections: Connections;
}

/** One listener, from when it listens until it is closed. */
export class TcpRelay {
  readonly #options: TcpRelayOptions;
  readonly #server: Server;

  private constructor(options: TcpRelayOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
      void this.#serve(client);
    });
  }

  /** Listens; rejects with the system's error when the address cannot be had. */
  static async open(address: RelayAddress, options: TcpRelayOptions): Promise<TcpRelay> {
    const opened = new TcpRelay(options);
    await new Promise<void>((resolve, reject) => {
      opened.#server.once('error', reject);
      opened.#server.listen({ host: address.ip, port: address.port, reusePort: options.sharesPort ?? false }, () => {
        opened.#server.off('error', reject);
        opened.#server.on('error', () => {});
        resolve();
      });
    });
    return opened;
  }

  /** Where it listens: what the system has chosen, where it was to. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  /** Stops listening. Connections go on until they end by themselves. */
  async close(): Promise<void> {
    // `close` calls back only once every connection has ended; listening ends at once.
    this.#server.close();
  }

  /** Never rejects: whatever fails resets the client. */
  async #serve(client: Socket): Promise<void> {
    const { connections, chooser, letsIn } = this.#options;
    const clientIp = client.remoteAddress ?? '';
    client.on('error', () => client.destroy());
    if (letsIn?.(clientIp) === false || !connections.add(client)) {
      client.resetAndDestroy();
      return;
    }
    const tried = new Set<string>();
    for (const timeoutMs of connectTimeoutsMs) {
      const endpoint = chooser.pick(clientIp, tried);
      if (endpoint === undefined || client.destroyed) break;
      const upstream = await this.#connect(endpoint.ip, endpoint.port, timeoutMs);
      if (upstream === 'refused') tried.add(addressKey(endpoint));
      if (typeof upstream === 'string') continue;
      if (client.destroyed) {
        upstream.destroy();
        return;
      }
      chooser.remember(clientIp, endpoint);
      join(client, upstream);
      return;
    }
    if (!client.destroyed) client.resetAndDestroy();
  }

  #connect(host: string, port: number, timeoutMs: number): Promise<Socket | 'refused' | 'slow'> {
    return new Promise((resolve) => {
      const upstream = createConnection({ host, port, allowHalfOpen: true, noDelay: true });
      this.#options.connections.attach(upstream);
      const giveUp = (why: 'refused' | 'slow'): void => {
        timer.cancel();
        upstream.destroy();
        resolve(why);
      };
      const timer = this.#options.clock.setTimeout(() => giveUp('slow'), timeoutMs);
      const onFailure = (): void => giveUp('refused');
      upstream.once('error', onFailure);
      upstream.once('close', onFailure);
      upstream.once('connect', () => {
        timer.cancel();
        upstream.off('error', onFailure);
        upstream.off('close', onFailure);
        resolve(upstream);
      });
    });
  }
}

/** Pipes both ways: an end of one side ends that direction only; an error of one side resets the other. */
function join(client: Socket, upstream: Socket): void {
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    let failed = false;
    from.on('error', () => {
      failed = true;
      from.destroy();
    });
    from.on('close', () => {
      if (to.destroyed) return;
      if (failed || !from.readableEnded) to.resetAndDestroy();
      else to.end();
    });
    from.pipe(to);
  }
}
