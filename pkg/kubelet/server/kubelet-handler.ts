/**
 * The kubelet's own API, as the API server and `kubectl logs` through it use it. What is not built is refused with an error that
 * says so. Who may call it is for the adapter that puts it on the network. Source: kubelet `server/server.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { type Clock, formatTimestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { containerLogs } from './container-logs.ts';
import { text } from './pod-path.ts';

/** Whose API. */
export interface KubeletHandlerDeps {
  readonly clock: Clock;
  readonly nodeName: string;
  workers(): readonly PodWorker[];
}

/** Paths of what this kubelet does not do. */
const refused = /^\/(checkpoint|cri)(\/|$)/;
/** Connections to containers, and their ports. */
const streamed = /^\/(attach|exec|portForward)\//;

/** The API as a function. Never throws. */
export function createKubeletHandler(deps: KubeletHandlerDeps): ApiHandler {
  return async (request) => {
    try {
      return await route(deps, request);
    } catch (error) {
      return text(500, errorText(error));
    }
  };
}

async function route(deps: KubeletHandlerDeps, request: ApiRequest): Promise<ApiResponse> {
  const { path } = request;
  if (refused.test(path)) return text(501, `${path.split('/')[1]} is not supported by this kubelet`);
  if (streamed.test(path)) return stream(request, deps);
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
  if (path === '/stats/summary') return json(await statsSummary(deps));
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

async function statsSummary(deps: KubeletHandlerDeps): Promise<unknown> {
  const time = formatTimestamp(deps.clock.nowMs());
  const pods = [];
  for (const worker of deps.workers()) {
    if (worker.finished) continue;
    const { name = '', namespace = '', uid = '' } = worker.pod.metadata ?? {};
    const containers = [];
    for (const { name: containerName } of worker.pod.spec?.containers ?? []) {
      const container = worker.container(containerName, { previous: false });
      if (container?.state !== 'running') continue;
      // One that ends meanwhile has none.
      const stats = await worker.runtime.inspection.stats(container.id).catch(() => undefined);
      if (stats === undefined) continue;
      containers.push({
        name: containerName,
        startTime: formatTimestamp(container.startedAtMs ?? 0),
        cpu: { time, usageCoreNanoSeconds: stats.cpuNanoseconds },
        memory: { time, usageBytes: stats.memoryBytes, workingSetBytes: stats.workingSetBytes ?? stats.memoryBytes },
        ...(stats.filesystemBytes === undefined
          ? {}
          : { rootfs: { time, usedBytes: stats.filesystemBytes, inodesUsed: stats.filesystemInodes } }),
        ...(stats.pids === undefined ? {} : { process_stats: { process_count: stats.pids } }),
      });
    }
    pods.push({ podRef: { name, namespace, uid }, containers });
  }
  return { node: { nodeName: deps.nodeName }, pods };
}

function json(value: unknown): ApiResponse {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: { kind: 'object', object: value, bytes: () => new TextEncoder().encode(JSON.stringify(value)) },
  };
}
