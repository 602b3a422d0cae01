/** A node for tests: a kubelet with the fake runtime against a real API server on virtual time. */

import { onTestFinished } from 'vitest';
import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { events, namespaces, pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock, virtualEpochMs } from '#pkg/base/virtual-clock.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { createKubelet } from '../kubelet.ts';
import type { KubeletOptions } from '../kubelet-options.ts';
import { createFakeRuntime, type FakeRuntime } from '../runtime/fake/fake-runtime.ts';
import { memoryVolumeHost } from '../volumes/volume-host.ts';

/** Starts the node; it ends with the test. */
export async function start(given: Partial<KubeletOptions> | ((runtime: FakeRuntime) => Partial<KubeletOptions>) = {}) {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const server = await startBareApi({ clock, random });
  const stopped = new AbortController();
  const running: Promise<void>[] = [server.run(stopped.signal)];
  const { client } = server.connect('system:node:n1', 'kubelet');
  const runtime = createFakeRuntime({ clock, random });
  const options = typeof given === 'function' ? given(runtime) : given;
  const startKubelet = () => {
    const signal = new AbortController();
    const informers = createInformers({ client, clock, random, log: silentLogger });
    const kubelet = createKubelet({
      deps: { client, informers, clock, random, log: silentLogger, metrics: new Metrics() },
      nodeName: 'n1',
      runtimes: { fake: runtime },
      defaultRuntime: 'fake',
      network: createLoopbackNetwork(),
      volumes: memoryVolumeHost(),
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      kubeletPort: 10250,
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      version: 'v1.36.0',
      podCidr: '127.8.1.0/24',
      ...options,
    });
    const ended = Promise.all([informers.run(signal.signal), kubelet.run(signal.signal)]);
    /** Tells it to stop; resolves when it has, for which the clock may have to move. */
    const stop = async (): Promise<void> => {
      signal.abort();
      await ended;
    };
    const end = async (): Promise<void> => {
      signal.abort();
      await clock.settle();
      await ended;
    };
    return { kubelet, stop, end };
  };
  const first = startKubelet();
  for (const name of ['default', 'kube-node-lease']) {
    await client
      .resource(namespaces)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
      .catch(() => {});
  }
  onTestFinished(async () => {
    await first.end();
    stopped.abort();
    await clock.settle();
    await Promise.all(running);
  });
  await clock.settle();
  return { clock, client, runtime, startKubelet, ...first };
}

export type Cluster = Awaited<ReturnType<typeof start>>;

/** A pod of one container on the node; annotations are settings of the fake runtime. */
export function pod(
  name: string,
  options: { annotations?: Record<string, string>; spec?: Partial<PodSpec> } = {},
): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      ...(options.annotations === undefined ? {} : { annotations: prefixed(options.annotations) }),
    },
    spec: { nodeName: 'n1', containers: [{ name: 'app', image: 'example.com/app:v1' }], ...options.spec },
  };
}

function prefixed(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`fake.coxswain.dev/${key}`, value]));
}

/** What `kubectl get pod` shows, with the time. */
export async function seen(cluster: Cluster, name: string): Promise<string> {
  const { status } = await cluster.client.resource(pods).get(name, { namespace: 'default' });
  const ready = findCondition(status?.conditions, 'Ready')?.status;
  const states = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].map(
    ({ name: container, state, restartCount }) => {
      const kind = Object.keys(state ?? {})[0] ?? '';
      const reason = state?.waiting?.reason ?? state?.terminated?.reason ?? '';
      return `${container}=${kind}${reason === '' ? '' : `:${reason}`}${restartCount > 0 ? `(${restartCount})` : ''}`;
    },
  );
  const at = (cluster.clock.nowMs() - virtualEpochMs) / 1000;
  return `${at}s ${status?.phase} ready=${ready} ${states.join(' ')}`;
}

/** Events about a pod, in order. */
export async function recorded(cluster: Cluster, name: string): Promise<string[]> {
  const list = await cluster.client.resource(events).list({ namespace: 'default' });
  return list.items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason, message, count }) => `${reason}: ${message}${(count ?? 1) > 1 ? ` (x${count})` : ''}`);
}

/** The distinct views of a pod over a time, each with when it was first seen. */
export async function watchPod(cluster: Cluster, name: string, totalMs: number, stepMs = 1000): Promise<string[]> {
  const transcript: string[] = [];
  let last = '';
  for (let passedMs = 0; ; passedMs += stepMs) {
    const view = await seen(cluster, name);
    const [, what] = /^\S+ (.*)$/.exec(view)!;
    if (what !== last) transcript.push(view);
    last = what!;
    if (passedMs >= totalMs) return transcript;
    await cluster.clock.advance(stepMs);
  }
}
