/** Answers `/healthz`, `/readyz` and `/livez` of a process on the loopback address, as upstream's components do. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HealthChecks, healthText } from '#pkg/component/health.ts';
import { parseTarget } from '#pkg/serving/request-target.ts';

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
    answer(checks, request, response).catch(() => response.destroy());
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

/** Answers one request. Rejects only where there is nobody left to answer. */
async function answer(
  checks: Pick<HealthChecks, 'run'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { path, query } = parseTarget(request.url);
  const endpoint = path.slice(1);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!endpoints.has(endpoint)) return reply(response, 404, '404 page not found\n');
  if (!isRead) return reply(response, 405, 'Method Not Allowed\n');
  const asked = new URLSearchParams(query);
  const results = await checks.run();
  const status = results.some((result) => result.problem !== undefined) ? 500 : 200;
  if (asked.get('format') === 'json') return reply(response, status, JSON.stringify(results), 'application/json');
  const text = healthText(results, { endpoint, verbose: asked.has('verbose') || status === 500 });
  reply(response, status, text);
}

const endpoints: ReadonlySet<string> = new Set(['healthz', 'livez', 'readyz']);

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}
