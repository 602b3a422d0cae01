/**
 * Answers at health check node ports: 200 where a Service has endpoints on this node, 503 where it has none, whatever the path. Obeys the laws
 * of `Backend`. Source: kube-proxy `healthcheck/service_health.go`.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { addressKey, listenProblem } from '#pkg/network/relay/relay.ts';
import type { HealthCheck } from '../model/health-check.ts';

/** A health check that could not be served. */
export interface HealthCheckFailure {
  readonly check: HealthCheck;
  readonly address: string;
  /** One sentence for people, without a full stop. */
  readonly message: string;
}

export interface HealthCheckServer {
  /** Serves exactly these; what failed before is tried again. */
  sync(checks: readonly HealthCheck[]): Promise<readonly HealthCheckFailure[]>;
  close(): Promise<void>;
}

export interface HealthCheckServerOptions {
  /** Where the ports answer, as node ports do. */
  readonly addresses: readonly string[];
}

/** A server on sockets of this process. */
export function createHealthCheckServer(options: HealthCheckServerOptions): HealthCheckServer {
  return new SocketHealthChecks(options.addresses);
}

class SocketHealthChecks implements HealthCheckServer {
  readonly #addresses: readonly string[];
  /** By address and port. */
  readonly #open = new Map<string, { readonly server: Server; check: HealthCheck }>();

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  async sync(checks: readonly HealthCheck[]): Promise<readonly HealthCheckFailure[]> {
    const wanted = new Map(
      checks.flatMap((check) =>
        this.#addresses.map((ip) => [addressKey({ ip, port: check.port }), { ip, check }] as const),
      ),
    );
    for (const [key, entry] of [...this.#open]) if (!wanted.has(key)) await this.#end(key, entry.server);
    const failures: HealthCheckFailure[] = [];
    for (const [address, { ip, check }] of wanted) {
      const known = this.#open.get(address);
      if (known !== undefined) {
        known.check = check;
        continue;
      }
      try {
        await this.#listen(address, { ip, check });
      } catch (error) {
        const message = `Cannot answer health checks on ${address} as ${listenProblem(error)}`;
        failures.push({ check, address, message });
      }
    }
    return failures;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map(([key, { server }]) => this.#end(key, server)));
  }

  async #listen(key: string, { ip, check }: { readonly ip: string; readonly check: HealthCheck }): Promise<void> {
    const server = createServer((_, response) => answer(response, this.#open.get(key)?.check ?? check));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(check.port, ip, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#open.set(key, { server, check });
  }

  #end(key: string, server: Server): Promise<void> {
    this.#open.delete(key);
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  }
}

function answer(response: ServerResponse, { namespace, serviceName, localEndpoints }: HealthCheck): void {
  const service = { namespace, name: serviceName };
  const body = JSON.stringify({ service, localEndpoints, serviceProxyHealthy: true }, null, '\t');
  response.writeHead(localEndpoints > 0 ? 200 : 503, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
    'x-load-balancing-endpoint-weight': String(localEndpoints),
  });
  response.end(body);
}
