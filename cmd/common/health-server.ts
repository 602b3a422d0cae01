/** Answers `/healthz`, `/readyz` and `/livez` of a process on the loopback address, as upstream's components do. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HealthChecks, healthText } from '#pkg/component/health.ts';

export interface HealthServer {
  /** `http://<host>:<port>`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Listens on `port` (0 for any free one) of `host` (default 127.0.0.1). `?verbose` lists every check, `?format=json` gives them as JSON. */
export async function serveHealth(
  checks: Pick<HealthChecks, 'run'>,
  port: number,
  host = '127.0.0.1',
): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const endpoint = url.pathname.slice(1);
    if (request.method !== 'GET' || !['healthz', 'livez', 'readyz'].includes(endpoint)) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
      return;
    }
    void checks.run().then((results) => {
      const status = results.some((result) => result.problem !== undefined) ? 500 : 200;
      if (url.searchParams.get('format') === 'json') {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(results));
        return;
      }
      const text = healthText(results, { endpoint, verbose: url.searchParams.has('verbose') || status === 500 });
      response.writeHead(status, { 'content-type': 'text/plain' }).end(text);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
