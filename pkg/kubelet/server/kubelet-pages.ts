/**
 * What a kubelet says of itself: `/metrics` with its other pages, `/statusz`, `/flagz` and `/configz`. Loaded when somebody asks.
 * Source: kubelet `server/server.go` `InstallDebuggingHandlers`, `metrics/metrics.go`; cadvisor `metrics/prometheus.go`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { MetricFamily } from '#pkg/base/metrics.ts';
import { HealthMetrics } from '#pkg/component/health-metrics.ts';
import { renderMetrics } from '#pkg/component/metrics.ts';
import { type AboutAnswer, type AboutComponent, flagz, statusz } from '#pkg/component/zpages.ts';
import type { NodeSettings } from '../node/node-settings.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { ProbeCounts } from '../probes/probe-counts.ts';
import type { PodVolumeUsage } from '../volumes/volume-usage.ts';
import { cadvisorMetrics } from './cadvisor-metrics.ts';
import { pagePaths } from './page-paths.ts';
import { text } from './pod-path.ts';
import { resourceMetrics } from './resource-metrics.ts';
import type { UsageSampler } from './usage-sampler.ts';
import { volumeMetrics } from './volume-stats.ts';

/** What the pages are made of. */
export interface KubeletPages {
  readonly settings: NodeSettings;
  readonly probeCounts: ProbeCounts;
  readonly usage: UsageSampler;
  readonly startedMs: number;
  readonly nowMs: number;
  workers(): readonly PodWorker[];
  volumesOf(podUid: string): Promise<readonly PodVolumeUsage[]>;
}

/** What `/statusz` names. */
const namedPaths = [...pagePaths, '/healthz'].sort();

/** The answer to one of them. */
export async function kubeletPage(pages: KubeletPages, { path, headers, signal }: ApiRequest): Promise<ApiResponse> {
  const accept = headers.accept ?? '';
  const used = () => pages.usage.usage(signal);
  switch (path) {
    case '/metrics':
      return rendered(await ownMetrics(pages));
    case '/metrics/cadvisor':
      return rendered(cadvisorMetrics(await used(), pages.settings));
    case '/metrics/probes':
      return rendered(pages.probeCounts.metrics.families());
    case '/metrics/resource':
      return rendered(resourceMetrics(await used(), pages.nowMs));
    case '/metrics/slis':
      return rendered(healthMetrics());
    case '/statusz':
      return answered(statusz(aboutOf(pages), { accept, nowMs: pages.nowMs, paths: namedPaths }));
    case '/flagz':
      return answered(flagz(aboutOf(pages), { accept }));
    default:
      return answered({ status: 200, type: 'application/json', text: JSON.stringify(aboutOf(pages).config) });
  }
}

async function rendered(families: readonly MetricFamily[]): Promise<ApiResponse> {
  const { text: body, contentType } = await renderMetrics(families);
  return { ...text(200, body), headers: { 'content-type': contentType } };
}

function answered({ status, type, text: body }: AboutAnswer): ApiResponse {
  return { ...text(status, body), headers: { 'content-type': type } };
}

/** The check that a kubelet has: that it answers. */
function healthMetrics(): readonly MetricFamily[] {
  const health = new HealthMetrics();
  health.observe('healthz', 'ping', true);
  return health.metrics.families();
}

async function ownMetrics({ settings, workers, volumesOf }: KubeletPages): Promise<readonly MetricFamily[]> {
  const living = workers().filter(({ finished }) => !finished);
  const states = new Map([
    ['created', 0],
    ['exited', 0],
    ['running', 0],
  ]);
  for (const { pod } of living) {
    for (const { state } of pod.status?.containerStatuses ?? []) {
      const name = state?.running ? 'running' : state?.terminated ? 'exited' : 'created';
      states.set(name, (states.get(name) ?? 0) + 1);
    }
  }
  const volumes = living.map(async ({ pod: { metadata } }) => {
    const found = await volumesOf(metadata?.uid ?? '');
    return found.map((volume) => ({ namespace: metadata?.namespace ?? '', volume }));
  });
  return [
    {
      name: 'kubelet_node_name',
      help: "The node's name. The count is always 1.",
      type: 'gauge',
      samples: [{ labels: { node: settings.nodeName }, value: 1 }],
    },
    {
      name: 'kubelet_running_containers',
      help: 'Number of containers currently running',
      type: 'gauge',
      samples: [...states].map(([state, value]) => ({ labels: { container_state: state }, value })),
    },
    {
      name: 'kubelet_running_pods',
      help: 'Number of pods that have a running pod sandbox',
      type: 'gauge',
      samples: [{ labels: {}, value: living.filter(({ sandbox }) => sandbox !== undefined).length }],
    },
    ...volumeMetrics((await Promise.all(volumes)).flat()),
  ];
}

function aboutOf({ settings, startedMs }: KubeletPages): AboutComponent {
  const { nodeName, kubeletPort, defaultRuntime, runtimes, nodeLabels = {}, taints = [] } = settings;
  const kubeletconfig = {
    port: kubeletPort,
    maxPods: Number(settings.capacity.pods ?? 110),
    nodeStatusUpdateFrequency: '10s',
    nodeLeaseDurationSeconds: 40,
    registerNode: true,
    registerWithTaints: taints,
    authentication: { anonymous: { enabled: false } },
    authorization: { mode: 'Webhook' },
  };
  return {
    name: 'kubelet',
    startedMs,
    flags: {
      'hostname-override': nodeName,
      'node-labels': Object.entries(nodeLabels).map(([key, value]) => `${key}=${value}`),
      runtime: [defaultRuntime, ...Object.keys(runtimes).filter((name) => name !== defaultRuntime)],
    },
    config: { kubeletconfig },
  };
}
