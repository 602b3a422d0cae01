/** What is not a resource: health, version, metrics, the list of paths, and the documents of discovery and OpenAPI. */
import { kubernetesVersion } from '#pkg/api/facts.ts';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { apiVersionOf } from '#pkg/apimachinery/object.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { DocumentProvider } from './documents.ts';
import type { ServerCore } from './endpoints/scope.ts';
import { answerHealth, type HealthCheck } from './health.ts';
import type { ApiMetrics } from './metrics.ts';
import type { RequestInfo } from './request-info.ts';
import { noSuchMethod, objectResponse, pageNotFound, textResponse } from './responses.ts';

export interface NonResourceParts {
  readonly documents: DocumentProvider | undefined;
  readonly store: Store;
  readonly metrics: ApiMetrics;
  isReady(): boolean;
}

/** Makes the function that answers requests that are not about a resource. */
export function nonResourceHandler(
  core: ServerCore,
  { documents, store, metrics, isReady }: NonResourceParts,
): (request: ApiRequest, info: RequestInfo) => Promise<ApiResponse> {
  const alive: HealthCheck[] = [
    { name: 'ping', check: () => true },
    { name: 'etcd', check: async () => (await store.currentRevision()) > 0 },
    { name: 'poststarthook/bootstrap', check: isReady },
  ];
  const ready: HealthCheck[] = [...alive, { name: 'shutdown', check: () => !core.stopping.aborted }];
  return async (request, info) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw noSuchMethod();
    switch (info.parts[0]) {
      case undefined:
        return objectResponse(200, { paths: pathsOf(core) });
      case 'version':
        if (info.parts.length === 1) return objectResponse(200, versionInfo);
        break;
      case 'healthz':
      case 'livez':
        return answerHealth(info.parts, info.query, alive);
      case 'readyz':
        return answerHealth(info.parts, info.query, ready);
      case 'metrics': {
        if (info.parts.length > 1) break;
        const text = await metrics.render();
        return { ...textResponse(200, text), headers: { 'content-type': metrics.contentType } };
      }
      default:
    }
    return (await documents?.handle(info.path, request)) ?? pageNotFound();
  };
}

function pathsOf({ catalog }: ServerCore): readonly string[] {
  const paths = new Set([
    '/api',
    '/apis',
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/readyz',
    '/version',
  ]);
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
