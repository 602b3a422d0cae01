/**
 * Answers at health check node ports: 200 where a Service has endpoints on this node, 503 where it has none, whatever the path. Obeys the laws
 * of `Backend`. Source: kube-proxy `healthcheck/service_health.go`.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { addressKey, listenProblem } from '#pkg/network/relay/relay.ts';
import { createHttpServer } from '#pkg/serving/http-server.ts';
import type { HealthCheck } from '../model/health-check.ts';

/** A health check that could not be served. */
export interface HealthCheckFailure {
  readonly check: HealthCheck;
  readonly address: string;
  /** One sentence for people, without a full stop. */
  readonly message: string;
}

/** The servers of one node's health check ports. */
export interface HealthCheckServer {
  /** Serves exactly these; what failed before is tried again. */
  sync(checks: readonly HealthCheck[]): Promise<readonly HealthCheckFailure[]>;
  close(): Promise<void>;
}

/** Where the ports answer. */
export interface HealthCheckServerOptions {
  /** Where the ports answer, as node ports do. */
  readonly addresses: readonly string[];
  /** Path of the network namespace that has them; absent for that of this process. */
  readonly namespace?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A server on sockets of this process. */
export function createHealthCheckServer(options: HealthCheckServerOptions): HealthCheckServer {
  return new SocketHealthChecks(options);
}

/** A port that answers. */
interface OpenCheck {
  check: HealthCheck;
  end(): Promise<void>;
}

class SocketHealthChecks implements HealthCheckServer {
  readonly #options: HealthCheckServerOptions;
  /** By address and port. */
  readonly #open = new Map<string, OpenCheck>();

  constructor(options: HealthCheckServerOptions) {
    this.#options = options;
  }

  async sync(checks: readonly HealthCheck[]): Promise<readonly HealthCheckFailure[]> {
    const wanted = new Map(
      checks.flatMap((check) =>
        this.#options.addresses.map((ip) => [addressKey({ ip, port: check.port }), { ip, check }] as const),
      ),
    );
    for (const key of [...this.#open.keys()]) if (!wanted.has(key)) await this.#end(key);
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
    await Promise.all([...this.#open.keys()].map((key) => this.#end(key)));
  }

  async #listen(key: string, { ip, check }: { readonly ip: string; readonly check: HealthCheck }): Promise<void> {
    const { clock, log, namespace } = this.#options;
    const place = { host: ip, port: check.port };
    const server = createHttpServer({
      clock,
      log,
      listener: (_, response) => answer(response, this.#open.get(key)?.check ?? check),
    });
    await server.listen({ ...place, descriptor: await descriptorIn(namespace, place) });
    const stop = new AbortController();
    const running = server.run(stop.signal);
    this.#open.set(key, {
      check,
      end() {
        stop.abort();
        return running;
      },
    });
  }

  async #end(key: string): Promise<void> {
    const open = this.#open.get(key);
    this.#open.delete(key);
    await open?.end();
  }
}

async function descriptorIn(
  namespace: string | undefined,
  place: { readonly host: string; readonly port: number },
): Promise<number | undefined> {
  if (namespace === undefined) return undefined;
  const { listenInside } = await import('#pkg/network/host/listen-inside.ts');
  return listenInside(namespace, place);
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
