/** Serves the pages of a process, health, metrics and what it is, on the loopback address, as upstream's components do. */
import { type Clock, SystemClock } from '#pkg/base/clock.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import type { HealthChecks } from '#pkg/component/health.ts';
import type { AboutComponent } from '#pkg/component/zpages.ts';
import { createHttpServer } from '#pkg/serving/http-server.ts';
import { componentPages } from './component-pages.ts';
import { processMetrics } from './process-metrics.ts';

/** A server that listens. */
export interface HealthServer {
  /** `http://<host>:<port>`. */
  readonly url: string;
  close(): Promise<void>;
}

/** What a server is given beside its checks; by default the system's clock and no log. */
export interface HealthServerOptions {
  readonly clock?: Clock;
  readonly log?: Logger;
  /** What the process counts. Default: nothing. */
  readonly metrics?: Metrics;
  /** What `/statusz`, `/flagz` and `/configz` tell. Default: a process without a name and flags. */
  readonly about?: AboutComponent;
}

/** Listens on `port` (0 for any free one) of `host` (default 127.0.0.1). */
export async function serveHealth(
  checks: Pick<HealthChecks, 'run'>,
  port: number,
  host = '127.0.0.1',
  { clock = new SystemClock(), log = silentLogger, metrics = new Metrics(), about }: HealthServerOptions = {},
): Promise<HealthServer> {
  const listener = componentPages({
    checks,
    process: processMetrics,
    metrics,
    about: about ?? { name: 'coxswain', startedMs: clock.nowMs(), flags: {} },
    clock,
  });
  const server = createHttpServer({ listener, clock, log });
  const { port: bound } = await server.listen({ host, port });
  const stop = new AbortController();
  const running = server.run(stop.signal);
  return {
    url: `http://${host}:${bound}`,
    close() {
      stop.abort();
      return running;
    },
  };
}
