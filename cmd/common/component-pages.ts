/**
 * The pages of a component beside the API: health and metrics, as an Express application. Express is loaded with the first request, as most clusters
 * are never asked and it costs a tenth of the start.
 * Source: component-base `healthz`, `metrics/legacyregistry`; apiserver `server/healthz`.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Express, Request, Response } from 'express';
import { kubernetesVersion } from '#pkg/api/facts.ts';
import { type HealthChecks, type HealthResult, healthText } from '#pkg/component/health.ts';
import { type MetricFamily, renderMetrics } from '#pkg/component/metrics.ts';
import { parseTarget } from '#pkg/serving/request-target.ts';

/** What the pages show: the checks of the component, and counts of its process. */
export interface ComponentPages {
  readonly checks: Pick<HealthChecks, 'run'>;
  /** What the process is and uses. */
  readonly process: () => readonly MetricFamily[];
}

/** Answers requests for the pages. `?verbose` lists every check, `?format=json` gives them as JSON. */
export function componentPages(
  pages: ComponentPages,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  let app: Promise<RequestListener> | undefined;
  return async (request, response) => {
    app ??= load(pages);
    const { path, query } = parseTarget(request.url);
    // Express knows no target but a path.
    const local = path.startsWith('/') ? path : `/${path}`;
    request.url = query === '' ? local : `${local}?${query}`;
    (await app)(request, response);
  };
}

async function load({ checks, process }: ComponentPages): Promise<RequestListener> {
  const { default: express } = await import('express');
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.enable('case sensitive routing');
  for (const endpoint of ['healthz', 'livez', 'readyz']) {
    page(app, `/${endpoint}`, async (request, response) => {
      const results = await checks.run();
      sendHealth(response, { endpoint, results, asked: new URLSearchParams(parseTarget(request.url).query) });
    });
  }
  page(app, '/metrics', async (_request, response) => {
    const { text, contentType } = await renderMetrics([buildInfo, healthOf(await checks.run()), ...process()]);
    response.setHeader('content-type', contentType);
    response.end(text);
  });
  app.use((_request, response) => reply(response, 404, '404 page not found\n'));
  // What Express itself cannot read, such as an escape in a path that is none, has a status of 4xx.
  app.use((error: { readonly status?: number }, _request: Request, response: Response, _next: unknown) => {
    if (response.headersSent) response.destroy();
    else if (error.status === undefined) reply(response, 500, 'Internal Server Error\n');
    else reply(response, error.status, 'Bad Request\n');
  });
  return app;
}

/** A page that is read; other methods are refused. */
function page(app: Express, path: string, answer: (request: Request, response: Response) => Promise<void>): void {
  app.get(path, answer);
  app.all(path, (_request, response) => {
    response.setHeader('allow', 'GET, HEAD');
    reply(response, 405, 'Method Not Allowed\n');
  });
}

interface Health {
  readonly endpoint: string;
  readonly results: readonly HealthResult[];
  readonly asked: URLSearchParams;
}

function sendHealth(response: Response, { endpoint, results, asked }: Health): void {
  const status = results.some((result) => result.problem !== undefined) ? 500 : 200;
  if (asked.get('format') === 'json') {
    reply(response, status, JSON.stringify(results), 'application/json');
    return;
  }
  reply(response, status, healthText(results, { endpoint, verbose: asked.has('verbose') || status === 500 }));
}

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

const [major = '', minor = ''] = kubernetesVersion.split('.');

/** Source: component-base `metrics/version.go`. */
const buildInfo: MetricFamily = {
  name: 'kubernetes_build_info',
  help: 'The version of the component',
  type: 'gauge',
  samples: [{ labels: { git_version: `v${kubernetesVersion}`, major, minor }, value: 1 }],
};

/** Source: component-base `metrics/prometheus/slis`. */
function healthOf(results: readonly HealthResult[]): MetricFamily {
  return {
    name: 'kubernetes_healthcheck',
    help: 'Result of each health check now',
    type: 'gauge',
    samples: results.map(({ name, problem }) => ({
      labels: { name, type: 'healthz' },
      value: problem === undefined ? 1 : 0,
    })),
  };
}
