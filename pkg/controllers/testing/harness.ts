/**
 * For tests of controllers: the real API server on the memory store and a virtual clock, the controllers asked for, and a stand-in for
 * scheduler and kubelets that binds pods, runs them and ends them. What happened is read from the API.
 */

import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { events, nodes, pods } from '#pkg/api/types/refs.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound, reasonOf } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { sleep } from '#pkg/base/async.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { ShiftedClock } from '#pkg/base/shifted-clock.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client, Transport } from '#pkg/client/client.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { schedulerPart } from '#pkg/cluster/parts.ts';
import { aboutPod } from '#pkg/registry/admission/pods.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import type { ControllerOptions } from '../common/controller.ts';
import { createControllerManager } from '../manager.ts';
import { type FaultyTransport, faultyTransport } from './faulty-transport.ts';
import { openKubelet, openProcess, type Process, startApiProcess } from './processes.ts';

export interface HarnessOptions {
  /** Default: all. */
  readonly controllers?: readonly string[];
  readonly options?: ControllerOptions;
  /** Values of the controllers' flags. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly seed?: number;
  /** Whether pods are bound and run by themselves. Default true. */
  readonly runPods?: boolean;
  /** Names of nodes, on each of which a kubelet runs pods that a scheduler binds. Default: none; whatever `runPods` says is done by a stand-in. */
  readonly kubelets?: readonly string[];
  /** The exit code with which a running pod ends by itself; undefined for one that goes on. With `kubelets` it is asked when the pod is created. Default: all go on. */
  readonly exitCodeOf?: (pod: Pod) => number | undefined;
  /** Versions that are served beyond the default. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  /** Share of the requests of controllers, scheduler and kubelets that fail: before the server sees them, after it did, or by a race that is lost. Default 0. */
  readonly faultShare?: number;
  /** From the start on. Default: none. */
  readonly hooks?: HarnessHooks;
}

export interface HarnessHooks {
  /** Called before a request of the controllers reaches the server, for what comes in between. */
  beforeRequest?: ((request: ApiRequest) => Promise<void>) | undefined;
  /** No request fails any more. */
  isCalm?: boolean;
}

export interface Harness {
  readonly clock: VirtualClock;
  readonly client: Client;
  /** Requests that the controllers made and that change something: `METHOD path`. */
  readonly writes: string[];
  readonly hooks: HarnessHooks;
  list<T extends KubeObject>(ref: ResourceRef<T>, namespace?: string): Promise<readonly T[]>;
  get<T extends KubeObject>(ref: ResourceRef<T>, key: string): Promise<T | undefined>;
  /** `reason: message` of the events on an object, in the order of their names. */
  eventsOf(name: string): Promise<readonly string[]>;
  /** A process (default: the controllers; of the kubelets one, by chance) ends, wherever it is, and after `awayMs` (default 0) one begins that knows nothing. */
  restart(name?: ProcessName, awayMs?: number): Promise<void>;
  /** The watches of controllers, scheduler and kubelets end; with `history` false, the server no longer has what they missed. */
  dropWatches(options: { readonly history: boolean }): void;
  /** Somebody sets the clock of the controllers' machine. */
  jumpClock(byMs: number): void;
  stop(): Promise<void>;
}

/** The processes that can be started anew: with `kubelets` all of them, else the first two. */
export const processNames = ['controllers', 'apiserver', 'scheduler', 'kubelets'] as const;
export type ProcessName = (typeof processNames)[number];

const deployLimitMs = 300_000;

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const clock = new VirtualClock();
  const { seed = 1, kubelets: nodeNames = [] } = options;
  const random = new SeededRandom(seed);
  const log = silentLogger;
  const plugins = createAdmissionPlugins({ disabled: ['ServiceAccount'] });
  const admission = nodeNames.length === 0 ? plugins : [...plugins, ending(options.exitCodeOf)];
  const { runtimeConfig = {} } = options;
  const server = await startApiProcess({ clock, random, admission, runtimeConfig });
  const transport = server.transport('test');
  const client = createClient({ transport, userAgent: 'test' });
  const writes: string[] = [];
  const hooks: HarnessHooks = options.hooks ?? {};
  const connections: FaultyTransport[] = [];
  const faulty = (beforeRequest: (request: ApiRequest) => Promise<void> | undefined): FaultyTransport => {
    const made = faultyTransport({
      transport,
      chance: new SeededRandom(seed + 1 + connections.length * 1_000_003),
      share: () => (hooks.isCalm === true ? 0 : (options.faultShare ?? 0)),
      beforeRequest,
    });
    connections.push(made);
    return made;
  };
  const recording = createClient({
    userAgent: 'kube-controller-manager',
    transport: faulty((request) => {
      if (request.method !== 'GET') writes.push(`${request.method} ${request.path}`);
      return hooks.beforeRequest?.(request);
    }),
  });
  let jumpedMs = 0;
  const ownClock = new ShiftedClock(clock, () => jumpedMs);
  const controllers = await openProcess(clock, () => {
    const informers = createInformers({ client: recording, clock: ownClock, random, log });
    return createControllerManager({
      deps: { client: recording, informers, clock: ownClock, random, log, metrics: new Metrics() },
      ...(options.controllers === undefined ? {} : { controllers: options.controllers }),
      options: options.options ?? {},
      flags: options.flags ?? {},
    });
  });
  const opened = await openNodes({ clock, random, nodeNames, transport: () => faulty(() => undefined) });
  const processes: Record<ProcessName, readonly Pick<Process, 'restart'>[]> = {
    controllers: [controllers],
    apiserver: [server],
    ...opened,
  };
  const started = [controllers, ...opened.scheduler, ...opened.kubelets];
  for (const process of started) process.start();
  const podsStop = new AbortController();
  const running: Promise<void>[] = [];
  if (nodeNames.length === 0 && (options.runPods ?? true)) {
    running.push(runPods({ client, clock, signal: podsStop.signal, exitCodeOf: options.exitCodeOf }));
  }
  await clock.settle();
  return {
    clock,
    client,
    writes,
    hooks,
    list: async (ref, namespace) => {
      const found = await client.resource(ref).list(namespace === undefined ? {} : { namespace });
      return [...found.items].sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
    },
    get: async (ref, key) => {
      const [name, namespace] = key.split('/').reverse();
      try {
        return await client.resource(ref).get(name!, namespace === undefined ? {} : { namespace });
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    eventsOf: async (name) => {
      const { items } = await client.resource(events).list();
      return items
        .filter((event) => event.involvedObject.name === name)
        .sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))
        .map((event) => `${event.reason}: ${event.message}`);
    },
    restart: async (name = 'controllers', awayMs = 0) => {
      const all = processes[name];
      await all[all.length > 1 ? randomInt(random, all.length) : 0]?.restart(awayMs);
    },
    dropWatches: (how) => {
      for (const connection of connections) connection.dropWatches(how);
    },
    jumpClock: (byMs) => {
      jumpedMs += byMs;
    },
    stop: async () => {
      podsStop.abort();
      for (const process of started) await process.stop();
      await Promise.all(running);
      await server.stop();
    },
  };
}

/** Says of each new pod how its simulated containers end. */
function ending(exitCodeOf: HarnessOptions['exitCodeOf']): AdmissionPlugin {
  return {
    name: 'Ending',
    handles: (attributes) => attributes.operation === 'CREATE' && aboutPod(attributes) !== undefined,
    admit: (attributes) => {
      const draft = aboutPod(attributes)?.draft;
      const exitCode = draft === undefined ? undefined : exitCodeOf?.(draft as Pod);
      if (draft === undefined || exitCode === undefined) return;
      const own = { 'fake.coxswain.dev/run-time': '500ms', 'fake.coxswain.dev/exit-code': `${exitCode}` };
      draft.metadata = { ...draft.metadata, annotations: { ...draft.metadata?.annotations, ...own } };
    },
  };
}

/** A scheduler, and a kubelet for each of the names; nothing where there are none. */
async function openNodes(options: {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly nodeNames: readonly string[];
  transport(): Transport;
}): Promise<Record<'kubelets' | 'scheduler', readonly Process[]>> {
  const { clock, random, nodeNames } = options;
  if (nodeNames.length === 0) return { scheduler: [], kubelets: [] };
  const context = { clock, random, log: silentLogger, metrics: new Metrics() };
  const transport = options.transport();
  const scheduler = await openProcess(clock, () => schedulerPart({ ...context, metrics: new Metrics(), transport }));
  const kubelets: Process[] = [];
  for (const nodeName of nodeNames)
    kubelets.push(await openKubelet(clock, { ...context, nodeName, transport: options.transport() }));
  return { scheduler: [scheduler], kubelets };
}

/** Whether a request failed as the server is being started anew. */
const isAway = (error: unknown): boolean => reasonOf(error) === 'ServiceUnavailable';

/** Binds every pod to the node that its affinity names or else to `n1`, to `n2` where it is not to go to that, runs it, and lets it go when it is deleted. The label `broken` keeps it from being ready. */
async function runPods(deps: {
  client: Client;
  clock: VirtualClock;
  signal: AbortSignal;
  exitCodeOf: HarnessOptions['exitCodeOf'];
}): Promise<void> {
  const { client, clock, signal } = deps;
  const informers = createInformers({ client, clock, random: new SeededRandom(7), log: silentLogger });
  let ip = 1;
  let working: Promise<void> = Promise.resolve();
  const handle = (pod: Pod): void => {
    working = working.then(async () => {
      while (!signal.aborted && (await step(pod).then(() => false, isAway))) await sleep(clock, 100, signal);
    });
  };
  const step = async (pod: Pod): Promise<void> => {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const resource = client.resource(pods);
    try {
      if (pod.metadata?.deletionTimestamp !== undefined) {
        if (pod.spec?.nodeName?.startsWith('dead')) return;
        await resource.delete(name, { namespace, gracePeriodSeconds: 0 });
        return;
      }
      if (!pod.spec?.nodeName) {
        const target = { apiVersion: 'v1', kind: 'Node', name: wantedNode(pod) ?? 'n1' };
        const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace }, target };
        await resource.createSubresource(name, 'binding', binding, { namespace });
        return;
      }
      if (pod.status?.phase === 'Running') {
        const exitCode = deps.exitCodeOf?.(pod);
        if (exitCode !== undefined) await endPod({ client, clock }, pod, exitCode);
        return;
      }
      if (pod.status?.phase !== 'Pending') return;
      const now = timestamp(clock);
      const ready = pod.metadata?.labels?.broken === undefined ? ('True' as const) : ('False' as const);
      const podIP = `10.128.${ip >> 8}.${ip++ & 255}`;
      const status = {
        ...pod.status,
        phase: 'Running' as const,
        podIP,
        podIPs: [{ ip: podIP }],
        conditions: [{ type: 'Ready', status: ready, lastTransitionTime: now }],
      };
      await resource.update({ ...pod, status }, { subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  };
  informers.informer(pods).addHandler({ added: handle, updated: (_, pod) => handle(pod) });
  await informers.run(signal);
  await working;
}

function wantedNode({ spec }: Pod): string | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const field = required?.nodeSelectorTerms[0]?.matchFields?.[0];
  if (field?.operator === 'NotIn') return field.values?.includes('n1') === true ? 'n2' : 'n1';
  return field?.values?.[0];
}

/** Ends a pod with the exit code of its first container. */
export async function endPod(deps: Pick<Harness, 'client' | 'clock'>, pod: Pod, exitCode: number): Promise<void> {
  const { name = '', image = '' } = pod.spec!.containers[0]!;
  const now = timestamp(deps.clock);
  const state = { terminated: { exitCode, startedAt: now, finishedAt: now } };
  const status: NonNullable<Pod['status']> = {
    ...pod.status,
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions: [
      ...(pod.status?.conditions ?? []).filter(({ type }) => type !== 'Ready'),
      { type: 'Ready', status: 'False', lastTransitionTime: now },
    ],
    containerStatuses: [{ name, image, imageID: '', ready: false, restartCount: 0, state }],
  };
  await deps.client.resource(pods).update({ ...pod, status }, { subresource: 'status' });
}

/** A node that is Ready now. */
export async function addNode(harness: Harness, name: string, labels: Record<string, string> = {}): Promise<void> {
  const lastHeartbeatTime = timestamp(harness.clock);
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime } as const];
  await harness.client.resource(nodes).create({ metadata: { name, labels } });
  await harness.client
    .resource(nodes)
    .patch(name, { status: { conditions } }, { type: 'merge', subresource: 'status' });
  await harness.clock.settle();
}

/** A Deployment of `app` in namespace `default`. */
export function deploymentOf(name: string, spec: Partial<NonNullable<Deployment['spec']>> = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: name } },
      template: templateOf(name, 'v1'),
      ...spec,
    },
  };
}

export function templateOf(app: string, image: string, labels: Record<string, string> = {}) {
  return { metadata: { labels: { app, ...labels } }, spec: { containers: [{ name: 'main', image }] } };
}

/** Advances until `condition` holds, a tenth of a second of virtual time after the other; for `limitMs` at most. */
export async function until(
  harness: Harness,
  condition: () => Promise<boolean>,
  limitMs = deployLimitMs,
): Promise<void> {
  const endMs = harness.clock.monotonicMs() + limitMs;
  while (!(await condition())) {
    if (harness.clock.monotonicMs() > endMs) throw new Error('Condition did not hold in time');
    await harness.clock.advance(100);
  }
}
