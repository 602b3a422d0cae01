/** What is not a resource: health, version, metrics, the list of paths, and the documents of discovery and OpenAPI. */
import { Buffer } from 'node:buffer';
import { kubernetesVersion } from '#pkg/api/facts.ts';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import { HealthMetrics } from '#pkg/component/health-metrics.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import { type AboutAnswer, type AboutComponent, flagz, statusz } from '#pkg/component/zpages.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { DocumentProvider } from './documents.ts';
import type { ServerCore } from './endpoints/scope.ts';
import { answerHealth, type HealthCheck } from './health.ts';
import type { ApiMetrics } from './metrics.ts';
import { negotiate } from './negotiation.ts';
import type { RequestInfo } from './request-info.ts';
import { jsonType, noSuchMethod, noSuchResource, pageNotFound, textResponse } from './responses.ts';
import { formatAnswer } from './transform.ts';

/** A document that is the same for everybody who may read it. */
export interface Page {
  readonly type: string;
  readonly body: object;
}

/** A text that is made when it is asked for. */
export type TextPage = (query: URLSearchParams) => string;

/** What these paths tell of. */
export interface NonResourceParts {
  /** By path. */
  readonly pages: Readonly<Record<string, Page>>;
  /** By path. The list of paths does not name them. */
  readonly texts: Readonly<Record<string, TextPage>>;
  readonly documents: DocumentProvider | undefined;
  readonly store: Store;
  readonly metrics: ApiMetrics;
  readonly about: AboutComponent;
  isReady(): boolean;
}

/** Makes the function that answers requests that are not about a resource. */
export function nonResourceHandler(
  core: ServerCore,
  { pages, texts, documents, store, metrics, about, isReady }: NonResourceParts,
): (request: ApiRequest, info: RequestInfo) => Promise<ApiResponse> {
  const alive: HealthCheck[] = [
    { name: 'ping', check: () => true },
    { name: 'log', check: () => true },
    { name: 'etcd', check: async () => (await store.currentRevision()) > 0 },
    { name: 'poststarthook/bootstrap', check: isReady },
  ];
  // What they ask of is not made alive by a restart of this server. Source: `addHealthChecksWithoutLivez`.
  const guarded: HealthCheck[] = [...alive, ...(store.guard?.checks ?? [])];
  const health = new HealthMetrics();
  const paths = (): readonly string[] =>
    pathsOf(core, { healthz: guarded, livez: alive, readyz: ready }, Object.keys(pages));
  const ready: HealthCheck[] = [...guarded, { name: 'shutdown', check: () => !core.stopping.aborted }];
  return async (request, info) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const allowed = methodsOf.get(info.parts[0] ?? '');
    if (!isRead && allowed !== undefined && !allowed.includes(request.method)) throw noSuchMethod();
    // Two slashes in a row are not the path with one: nothing is served there.
    if (info.parts.includes('')) return pageNotFound();
    const isRouted = isRoute(core, info.parts);
    if (isRouted && request.method === 'HEAD') throw noSuchMethod();
    switch (info.parts[0]) {
      case undefined:
        return indented({ paths: paths() });
      case 'version':
        if (info.parts.length > 1) break;
        return indented(versionInfo);
      case 'healthz':
        return answerHealth({ parts: info.parts, query: info.query, checks: guarded, counts: health });
      case 'livez':
        return answerHealth({ parts: info.parts, query: info.query, checks: alive, counts: health });
      case 'readyz':
        return answerHealth({ parts: info.parts, query: info.query, checks: ready, counts: health });
      case 'metrics': {
        const isOfHealth = info.path === '/metrics/slis';
        if (info.parts.length > 1 && !isOfHealth) break;
        const { text, contentType } = isOfHealth
          ? await renderMetrics(health.metrics.families())
          : await metrics.render();
        return { ...textResponse(200, text), headers: { 'content-type': contentType } };
      }
      case 'flagz':
        if (info.parts.length > 1) break;
        return aboutPage(flagz(about, { accept: acceptOf(request) }));
      case 'statusz': {
        if (info.parts.length > 1) break;
        const nowMs = core.clock.nowMs();
        return aboutPage(statusz(about, { accept: acceptOf(request), nowMs, paths: paths() }));
      }
      default:
    }
    const page = Object.hasOwn(pages, info.path) ? pages[info.path] : undefined;
    if (page !== undefined) return isRead ? answerPage(page) : methodNotAllowed();
    const text = Object.hasOwn(texts, info.path) ? texts[info.path] : undefined;
    if (text !== undefined) return isRead ? textResponse(200, text(info.query)) : methodNotAllowed();
    const document = await documents?.handle(info.path, request);
    if (document === undefined && isRouted) throw noSuchResource();
    if (document === undefined) return pageNotFound();
    if (!isRead) throw noSuchMethod();
    // What has a form of its own has negotiated it.
    if (document.headers['content-type'] !== jsonType || document.body.kind !== 'object') return document;
    return formatAnswer(document, negotiate(request, { query: info.query, isWatch: false, hasTable: false }));
  };
}

function acceptOf({ headers }: ApiRequest): string {
  return headers.accept ?? '';
}

function aboutPage({ status, type, text }: AboutAnswer): ApiResponse {
  return { ...textResponse(status, text), headers: { 'content-type': type } };
}

/** Source: `pkg/routes/openidmetadata.go`. */
function answerPage({ type, body }: Page): ApiResponse {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = { 'content-type': type, 'cache-control': 'public, max-age=3600' };
  return { status: 200, headers, body: { kind: 'bytes', bytes } };
}

function methodNotAllowed(): never {
  throw noSuchMethod();
}

/**
 * Whether a path lies where upstream has routes, which name their methods and answer what is not there with a Status. Elsewhere there are plain
 * handlers, which look at no method, and plain text. Source: apiserver `server/handler.go` `director`.
 */
function isRoute({ catalog }: ServerCore, [root = '', group = '']: readonly string[]): boolean {
  if (root === 'apis') return group === '' || catalog.hasGroup(group);
  return root === 'api' || root === 'version';
}

/**
 * Methods besides GET and HEAD of the paths that begin so. Upstream's handlers look at none and leave it to authorization, which allows `get` alone to
 * all but administrators.
 */
const methodsOf: ReadonlyMap<string, readonly string[]> = new Map([
  ['', []],
  ['flagz', []],
  ['healthz', ['POST']],
  ['livez', ['POST']],
  ['metrics', []],
  ['readyz', ['POST']],
  ['statusz', []],
  ['version', []],
]);

/** Upstream writes these two as they are, whatever is accepted. Source: apiserver `responsewriters.WriteRawJSON`. */
function indented(object: object): ApiResponse {
  const bytes = Buffer.from(JSON.stringify(object, undefined, 2));
  return { status: 200, headers: { 'content-type': jsonType }, body: { kind: 'object', object, bytes: () => bytes } };
}

function pathsOf(
  { catalog }: ServerCore,
  health: Readonly<Record<string, readonly HealthCheck[]>>,
  pages: readonly string[],
): readonly string[] {
  const paths = new Set([
    '/api',
    '/apis',
    '/flagz',
    '/metrics',
    '/metrics/slis',
    '/openapi/v2',
    '/openapi/v3',
    '/statusz',
    '/version',
    ...pages,
  ]);
  for (const [path, checks] of Object.entries(health)) {
    paths.add(`/${path}`);
    for (const { name } of checks) paths.add(`/${path}/${name}`);
  }
  for (const info of catalog.list()) {
    if (info.group === '') paths.add(`/api/${info.version}`);
    else paths.add(`/apis/${info.group}`).add(`/apis/${apiVersionOf(info)}`);
  }
  return [...paths].sort();
}

const [major = '1', minor = '36'] = kubernetesVersion.split('.');

/** Source: `version.Info`. Clients read the numbers and print the rest. */
const versionInfo = {
  major,
  minor,
  emulationMajor: major,
  emulationMinor: minor,
  minCompatibilityMajor: major,
  minCompatibilityMinor: String(Number(minor) - 1),
  gitVersion: `v${kubernetesVersion}`,
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: 'linux/amd64',
};
