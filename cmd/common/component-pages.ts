/**
 * The pages of a component beside the API: health, metrics and what it is, as an Express application. Express is loaded with the first request, as most clusters
 * are never asked and it costs a tenth of the start.
 * Source: component-base `healthz`, `metrics/legacyregistry`, `configz`, `zpages`; apiserver `server/healthz`.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Express, Request, Response } from 'express';
import { kubernetesVersion } from '#pkg/api/facts.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { MetricFamily, Metrics } from '#pkg/base/metrics.ts';
import { type HealthChecks, type HealthResult, healthText } from '#pkg/component/health.ts';
import { HealthMetrics } from '#pkg/component/health-metrics.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import { type AboutAnswer, type AboutComponent, flagz, statusz } from '#pkg/component/zpages.ts';
import { parseTarget } from '#pkg/serving/request-target.ts';

/** What the pages show: the checks of the component, and counts of its process. */
export interface ComponentPages {
  readonly checks: Pick<HealthChecks, 'run'>;
  /** What the process is and uses. */
  readonly process: () => readonly MetricFamily[];
  /** What it counts. */
  readonly metrics: Metrics;
  readonly about: AboutComponent;
  readonly clock: Pick<Clock, 'nowMs'>;
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

async function load({ checks, process, metrics, about, clock }: ComponentPages): Promise<RequestListener> {
  const { default: express } = await import('express');
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.enable('case sensitive routing');
  const health = new HealthMetrics();
  for (const endpoint of healthPages) {
    const answer = async (request: Request, response: Response): Promise<void> => {
      const { path, query } = parseTarget(request.url);
      const [one, asked] = [nameIn(path), new URLSearchParams(query)];
      const excluded = new Set(asked.getAll('exclude'));
      const all = await checks.run();
      const results = all.filter(({ name }) => (one === '' ? !excluded.has(name) : name === one));
      for (const { name, problem } of results) health.observe(endpoint, name, problem === undefined);
      if (one !== '' && results.length === 0) reply(response, 404, '404 page not found\n');
      else sendHealth(response, { endpoint, results, asked });
    };
    page(app, `/${endpoint}`, answer);
    page(app, `/${endpoint}/*check`, answer);
  }
  const render = async (response: Response, families: readonly MetricFamily[]): Promise<void> => {
    const { text, contentType } = await renderMetrics(families);
    response.setHeader('content-type', contentType);
    response.end(text);
  };
  page(app, '/metrics', (_request, response) => render(response, [buildInfo, ...process(), ...metrics.families()]));
  page(app, '/metrics/slis', async (_request, response) => {
    for (const { name, problem } of await checks.run()) health.observe('healthz', name, problem === undefined);
    await render(response, health.metrics.families());
  });
  const send = (response: Response, { status, type, text }: AboutAnswer): void => reply(response, status, text, type);
  page(app, '/statusz', async (request, response) => {
    send(response, statusz(about, { accept: request.headers.accept ?? '', nowMs: clock.nowMs(), paths: pagePaths }));
  });
  page(app, '/flagz', async (request, response) => {
    send(response, flagz(about, { accept: request.headers.accept ?? '' }));
  });
  page(app, '/configz', async (_request, response) => {
    reply(response, 200, JSON.stringify(about.config ?? {}), 'application/json');
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

const healthPages = ['healthz', 'livez', 'readyz'] as const;

const pagePaths = ['/configz', '/flagz', '/healthz', '/livez', '/metrics', '/metrics/slis', '/readyz', '/statusz'];

/** The check that a path such as `/livez/ping` names; `''` for all of them. */
function nameIn(path: string): string {
  const [, ...name] = path.slice(1).replace(/\/$/, '').split('/');
  try {
    return decodeURIComponent(name.join('/'));
  } catch {
    return name.join('/');
  }
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
