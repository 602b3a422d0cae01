/** A TCP listener that carries each connection to an endpoint, byte for byte, with half-close and back-pressure. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import type { Balancer } from './balancer.ts';
import { endpointKey } from './balancer.ts';
import type { Connections } from './connections.ts';
import { connectTimeoutsMs } from './limits.ts';
import type { Portal } from './portals.ts';
import { sourceTest } from './source-ranges.ts';

export interface TcpPortalOptions {
  readonly clock: Clock;
  readonly balancer: Balancer;
  readonly connections: Connections;
}

export class TcpPortal {
  readonly #options: TcpPortalOptions;
  readonly #server: Server;
  readonly #letsIn: (clientIp: string) => boolean;

  private constructor(portal: Portal, options: TcpPortalOptions) {
    this.#options = options;
    this.#letsIn = sourceTest(portal.allowed);
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
      void this.#serve(client);
    });
  }

  /** Listens; rejects with the system's error when the address cannot be had. */
  static async open(portal: Portal, options: TcpPortalOptions): Promise<TcpPortal> {
    const opened = new TcpPortal(portal, options);
    await new Promise<void>((resolve, reject) => {
      opened.#server.once('error', reject);
      opened.#server.listen({ host: portal.ip, port: portal.port }, () => {
        opened.#server.off('error', reject);
        opened.#server.on('error', () => {});
        resolve();
      });
    });
    return opened;
  }

  /** Stops listening. Connections go on until they end by themselves. */
  async close(): Promise<void> {
    // `close` calls back only once every connection has ended; listening ends at once.
    this.#server.close();
  }

  /** Never rejects: whatever fails resets the client. */
  async #serve(client: Socket): Promise<void> {
    const { connections, balancer } = this.#options;
    client.on('error', () => client.destroy());
    if (!this.#letsIn(client.remoteAddress ?? '') || !connections.add(client)) {
      client.resetAndDestroy();
      return;
    }
    const clientIp = client.remoteAddress ?? '';
    const tried = new Set<string>();
    for (const timeoutMs of connectTimeoutsMs) {
      const endpoint = balancer.pick(clientIp, tried);
      if (endpoint === undefined || client.destroyed) break;
      const upstream = await this.#connect(endpoint.ip, endpoint.port, timeoutMs);
      if (upstream === 'refused') tried.add(endpointKey(endpoint));
      if (typeof upstream === 'string') continue;
      if (client.destroyed) {
        upstream.destroy();
        return;
      }
      balancer.remember(clientIp, endpoint);
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
