/**
 * The kubelet's own API, as the API server and `kubectl logs` through it use it. What is not built is refused with an error that
 * says so. Who may call it is for the adapter that puts it on the network. Source: kubelet `server/server.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { NodeSettings } from '../node/node-settings.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { ProbeCounts } from '../probes/probe-counts.ts';
import type { PodVolumeUsage } from '../volumes/volume-usage.ts';
import { containerLogs } from './container-logs.ts';
import { pagePaths } from './page-paths.ts';
import { text } from './pod-path.ts';
import { statsSummary } from './stats-summary.ts';
import { UsageSampler } from './usage-sampler.ts';

/** Whose API. */
export interface KubeletHandlerDeps {
  readonly clock: Clock;
  readonly nodeName: string;
  readonly settings: NodeSettings;
  readonly probeCounts: ProbeCounts;
  workers(): readonly PodWorker[];
  /** How full the volumes of a pod are. */
  volumesOf(podUid: string): Promise<readonly PodVolumeUsage[]>;
}

/** Paths of what this kubelet does not do. */
const refused = /^\/cri(\/|$)/;
/** Connections to containers, and their ports. */
const streamed = /^\/(attach|exec|portForward)\//;

/** The API as a function. Never throws. */
export function createKubeletHandler(deps: KubeletHandlerDeps): ApiHandler {
  const usage = new UsageSampler(deps.clock, () => deps.workers());
  const startedMs = deps.clock.nowMs();
  return async (request) => {
    try {
      return await route({ ...deps, usage, startedMs }, request);
    } catch (error) {
      return text(500, errorText(error));
    }
  };
}

interface Served extends KubeletHandlerDeps {
  readonly usage: UsageSampler;
  readonly startedMs: number;
}

async function route(deps: Served, request: ApiRequest): Promise<ApiResponse> {
  const { path } = request;
  if (refused.test(path)) return text(501, `${path.split('/')[1]} is not supported by this kubelet`);
  if (streamed.test(path)) return stream(request, deps);
  if (path.startsWith('/checkpoint/'))
    return (await import('./checkpoint.ts')).refuseCheckpoint(request, deps.workers());
  if (path.startsWith('/run/')) {
    if (request.method !== 'POST') return text(405, 'Method Not Allowed');
    return (await import('./streams/exec.ts')).runCommand(request, deps);
  }
  if (request.method !== 'GET') return text(405, 'Method Not Allowed');
  if (path === '/healthz' || path === '/healthz/ping') return text(200, 'ok');
  if (path === '/pods' || path === '/pods/') return podList(deps.workers().map(({ pod }) => pod));
  if (path === '/runningpods' || path === '/runningpods/') {
    return podList(
      deps
        .workers()
        .filter(({ finished }) => !finished)
        .map(({ pod }) => pod),
    );
  }
  if (path === '/stats/summary' || path === '/stats/summary/') {
    const pods = await deps.usage.usage(request.signal);
    const volumes = await Promise.all(pods.map(({ worker }) => deps.volumesOf(worker.pod.metadata?.uid ?? '')));
    return json(statsSummary(pods, { ...deps, volumes, nowMs: deps.clock.nowMs() }));
  }
  if (pagePaths.has(path)) return page(request, deps);
  if (path.startsWith('/containerLogs/'))
    return containerLogs({ request, workers: deps.workers(), nowMs: deps.clock.nowMs() });
  return text(404, '404 page not found');
}

/** Loaded when somebody first asks for one. */
async function stream(request: ApiRequest, deps: KubeletHandlerDeps): Promise<ApiResponse> {
  if (request.method !== 'GET' && request.method !== 'POST') return text(405, 'Method Not Allowed');
  if (request.path.startsWith('/portForward/')) {
    return (await import('./streams/port-forward.ts')).servePortForward(request, deps);
  }
  return (await import('./streams/exec.ts')).serveCommand(request, deps);
}

function podList(items: readonly Pod[]): ApiResponse {
  return json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
}

/** Loaded when somebody first asks. */
async function page(request: ApiRequest, deps: Served): Promise<ApiResponse> {
  const { kubeletPage } = await import('./kubelet-pages.ts');
  return kubeletPage({ ...deps, nowMs: deps.clock.nowMs() }, request);
}

function json(value: unknown): ApiResponse {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: { kind: 'object', object: value, bytes: () => new TextEncoder().encode(JSON.stringify(value)) },
  };
}
