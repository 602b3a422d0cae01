/**
 * A whole cluster in one process: API server, controllers, scheduler, kube-proxy and kubelets, each with an identity and a connection of its own.
 * They meet only through the API; being in one process only spares them the network.
 *
 * Invariant: what `startCluster` started has stopped when `stop` has resolved, or when it rejects.
 */

import { join } from 'node:path';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { childSignal, Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type MetricFamily, Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { countFeatures, featuresOf } from '#pkg/component/feature-gates.ts';
import type { HealthChecks } from '#pkg/component/health.ts';
import type { ServingLimits } from '#pkg/serving/limits.ts';
import type { AccessFiles, clusterAccess } from './access-files.ts';
import type { ApiPart } from './api-part.ts';
import type { ClusterHost } from './cluster-host.ts';
import { componentValues } from './component-flags.ts';
import { grantsOf } from './grants.ts';
import { type HeldLists, holdLists, largeObjectsMin } from './held-lists.ts';
import { Members } from './members.ts';
import type { NodesReady } from './nodes-ready.ts';
import { accountSubject, ensurePki, identitySubject, type Pki } from './pki.ts';
import { encryptionOf, serverFlagValues } from './server-flags.ts';
import { apiServerHost, type ClusterSettings, kubernetesServiceIp, nodeNames, storeOf } from './settings.ts';
import { type StartTurns, startTurns } from './start-turns.ts';
import { openStore } from './store.ts';
import { type ClusterTables, checkTables, clusterTables } from './tables.ts';
import type { VirtualTime } from './virtual-time.ts';

/** How long the nodes are looked at for the sake of those who begin after them. */
const readyMsMax = 60_000;

/**
 * How long the nodes have the process to themselves before the controllers and all else begin, which keep it busy for longer than a node takes. Those
 * that take longer have it with the others.
 */
const nodesFirstMs = 500;

/** What the cluster is made of, and where. */
export interface ClusterOptions {
  readonly settings: ClusterSettings;
  /** Where everything is kept. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Ends the cluster. */
  readonly signal: AbortSignal;
  /** Where the components beside the API server count, which counts for itself. */
  readonly metrics?: Metrics;
  /** What the process uses, for the metrics of the API server. */
  readonly processMetrics?: () => readonly MetricFamily[];
  /** Told what begins, and what to say once it is done. */
  readonly onStep?: (doing: string, done: string) => void;
  /** Told where the API server is once it answers, before anything else runs. */
  readonly onServing?: (at: Pick<RunningCluster, 'pki' | 'server'>) => void;
  /** Told what was reached, for measuring. */
  readonly trace?: (what: string) => void;
  /** What the cluster can be made of. Default: all that there is. @internal */
  readonly tables?: ClusterTables;
  /** What differs from the default limits of the API server's connections. */
  readonly servingLimits?: Partial<ServingLimits>;
}

/** A cluster that has started; its nodes may not be Ready yet. */
export interface RunningCluster {
  /** Address of the API server. */
  readonly server: string;
  readonly pki: Pki;
  /** One check per component; of more than `nodeChecksMax` nodes one for all. */
  readonly health: HealthChecks;
  /** The API without the network. */
  readonly handle: ApiHandler;
  /** Resolves when every node is Ready, or `signal` is aborted; rejects after `timeoutMs`. */
  nodesReady(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Settles when everything has stopped; rejects when a component failed. */
  readonly stopped: Promise<void>;
  stop(): Promise<void>;
}

/** Starts it and resolves once everything runs. Rejects with what the system or the store says, and then nothing of it is left. */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { settings, folder, clock: networkClock, tables = clusterTables } = options;
  const trace = options.trace ?? (() => {});
  const step = options.onStep ?? (() => {});
  checkTables(tables);
  step('Preparing keys and certificates', 'Prepared keys and certificates');
  const loading = import('./api-part.ts');
  loading.catch(() => {});
  const pki = await ensurePki({
    folder: join(folder, 'pki'),
    clock: networkClock,
    // Nodes of this process have no use for certificates: they are connected to the API server within it.
    nodeNames: [],
    hosts: [kubernetesServiceIp(settings.serviceCidr), apiServerHost(settings)],
    components: tables.components,
  });
  trace('keys and certificates');
  await prepareNetwork(options);
  step('Starting the API server', 'Started the API server');
  const time = settings.virtualTime === true ? await virtualTime(networkClock) : undefined;
  const { api, isLarge, isNew } = await startApi(options, { tables, pki, loading, trace, time });
  trace(`API server answers at ${api.url}`);
  const running = new Members(options.signal);
  running.start('kube-apiserver', api, { last: true, check: api.health });
  time?.start(running);
  let ready: NodesReady | undefined;
  const started = new Deferred<NodesReady | undefined>();
  const turns = startTurns(networkClock);
  try {
    step('Starting the nodes, the controllers, the scheduler and the proxy', nodesStarted(nodeNames(settings).length));
    const host = hostOf(options, {
      tables,
      pki,
      api,
      clock: time?.clock ?? networkClock,
      members: running,
      turns,
      hold: isLarge ? holdUntilReady(options, started.promise) : noHold,
      isNew,
      onNodesReady: (nodes) => {
        ready = nodes;
      },
    });
    for (const [name, entry] of Object.entries(tables.components)) {
      if (entry.start === undefined) continue;
      // Whoever waits for an answer, and what is on its way to the disk, comes between.
      await networkClock.yield();
      await entry.start(host);
      trace(`${name} runs`);
      if (entry.perNode) await nodesFirst(ready, networkClock, running);
    }
    started.resolve(ready);
    turns.end();
  } catch (error) {
    await running.stop();
    throw error;
  }
  return {
    server: api.url,
    pki,
    health: running.health,
    handle: api.handle,
    stopped: running.stopped,
    stop: () => running.stop(),
    nodesReady: (timeoutMs, signal) =>
      waitWith(running.stopped, signal, async (inner) => ready?.wait(networkClock, { timeoutMs, signal: inner })),
  };
}

function nodesStarted(count: number): string {
  return `Started ${count} node${count === 1 ? '' : 's'}`;
}

/** Waits for the nodes, but not for long, and not for those that wait for a controller. */
async function nodesFirst(nodes: NodesReady | undefined, clock: Clock, running: Members): Promise<void> {
  if (nodes === undefined) return;
  const over = new AbortController();
  const { signal } = over;
  const ready = nodes.wait(clock, { timeoutMs: readyMsMax, signal });
  try {
    await Promise.race([ready, nodes.needControllers, running.stopped, sleep(clock, nodesFirstMs, signal)]);
  } finally {
    over.abort();
  }
}

/** Waits as long as the cluster lives: one that fails meanwhile says why. */
async function waitWith(
  stopped: Promise<void>,
  signal: AbortSignal,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { controller, dispose } = childSignal(signal);
  try {
    await Promise.race([stopped, wait(controller.signal)]);
  } finally {
    controller.abort();
    dispose();
  }
}

/** Has whoever it is asked for begin with whole states when all has started and the nodes are Ready, which those of a cluster that ran before may seem at once. */
function holdUntilReady({ clock, signal }: ClusterOptions, started: Promise<NodesReady | undefined>): HeldLists {
  return holdLists({
    clock,
    signal,
    ready: started.then((nodes) => nodes?.wait(clock, { timeoutMs: readyMsMax, signal })),
  });
}

/** Before anything listens: there are addresses that are made here. */
async function prepareNetwork({ settings, tables = clusterTables, onStep, trace }: ClusterOptions): Promise<void> {
  const kernel = tables.networks[settings.network]?.kernel;
  if (kernel === undefined) return;
  onStep?.('Preparing the network', 'Prepared the network');
  await kernel.prepare(settings);
  trace?.('network');
}

/** Loaded for clusters whose time is steered. */
async function virtualTime(networkClock: Clock): Promise<VirtualTime> {
  const { openVirtualTime } = await import('./virtual-time.ts');
  return openVirtualTime(networkClock);
}

interface Starting {
  readonly tables: ClusterTables;
  readonly pki: Pki;
  /** The code of the API server, which loads while keys are made. */
  readonly loading: Promise<typeof import('./api-part.ts')>;
  readonly trace: (what: string) => void;
  /** Undefined where time passes by itself. */
  readonly time: VirtualTime | undefined;
}

interface HostParts extends Pick<Starting, 'pki' | 'tables'>, Pick<ClusterHost, 'isNew' | 'members' | 'onNodesReady'> {
  readonly api: ApiPart;
  /** The time of all components that open no sockets of their own. */
  readonly clock: Clock;
  /** Puts off what the nodes can do without. */
  readonly hold: HeldLists;
  readonly turns: StartTurns;
}

/** Nobody waits. */
const noHold: HeldLists = { nodes: (transport) => transport, others: (transport) => transport };

/** The API server over its store, which is closed again when the server does not start. */
async function startApi(
  { settings, folder, clock: networkClock, random, log, servingLimits = {}, processMetrics, onServing }: ClusterOptions,
  { tables, pki, loading, trace, time }: Starting,
): Promise<{ readonly api: ApiPart; readonly isLarge: boolean; readonly isNew: boolean }> {
  const clock = time?.clock ?? networkClock;
  const flags = serverFlagValues(settings.componentFlags);
  const encryption = encryptionOf(flags);
  const store = await openStore({ ...storeOf(settings), folder, clock, random, log, encryption }, tables.stores);
  trace('store open');
  const { apiPart } = await loading;
  const definitions = await tables.definitions();
  trace('API server loaded');
  try {
    const { configuration, ...access } = await accessOf(flags);
    const { count } = await store.range({ prefix: '/registry/', limit: 1 });
    const api = await apiPart({
      store,
      clock,
      networkClock,
      random,
      log,
      serviceCidr: settings.serviceCidr,
      // Pods reach it there.
      host: apiServerHost(settings),
      port: settings.apiPort,
      server: pki.server,
      clientCa: pki.authority.certificate,
      kubeletClient: pki.identities.get('kubelet-client')!,
      frontProxy: pki.frontProxy,
      definitions,
      authentication: {
        serviceAccountKey: pki.serviceAccount.privateKey,
        ...(configuration === undefined ? {} : { configuration }),
      },
      ...access,
      grants: await grantsOf(tables),
      limits: servingLimits,
      flags,
      ...(processMetrics === undefined ? {} : { process: { processMetrics } }),
      ...(time === undefined ? {} : { ownPages: time.pages }),
    });
    onServing?.({ server: api.url, pki });
    return { api, isLarge: count >= largeObjectsMin, isNew: count === 0 };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Loaded by a cluster that is given such files. */
async function accessOf(files: AccessFiles): ReturnType<typeof clusterAccess> {
  if (files['authentication-config'] === '' && files['authorization-config'] === '') return {};
  return (await import('./access-files.ts')).clusterAccess(files);
}

/** What the components of a cluster in one process are given: they reach the API without the network, each in its own name. */
function hostOf(
  { settings, folder, clock: networkClock, random, log, metrics = new Metrics() }: ClusterOptions,
  { tables, pki, api, clock, hold, isNew, members, turns, onNodesReady }: HostParts,
): ClusterHost {
  countFeatures(metrics, featuresOf(settings.componentFlags['kube-controller-manager']?.['feature-gates']));
  const open = Object.values(tables.components).filter(({ opensSockets }) => opensSockets);
  return {
    settings,
    tables,
    nodeNames: nodeNames(settings),
    folder,
    rootCa: pki.authority.certificate,
    clusterSigning: pki.authority,
    serviceAccountKey: pki.serviceAccount.privateKey,
    signingClock: networkClock,
    members,
    flagsOf: (component) => componentValues(settings.componentFlags, component, tables),
    as: (identity) => {
      const { commonName, organizations = [] } = identitySubject(identity, tables.components);
      const transport = turns.transport(inProcessTransport(api.handle, { commonName, organizations }));
      const isOfNodes = identity === 'nodes' || identity.startsWith('node:');
      const isOfNetwork = open.some((one) => one.identity?.name === identity);
      const own = { clock: isOfNetwork ? networkClock : clock, random, log, metrics };
      return { transport: isOfNodes ? hold.nodes(transport) : hold.others(transport), ...own };
    },
    linkOf: (nodeName) => {
      const pair = pki.identities.get(`node:${nodeName}`);
      return pair === undefined ? undefined : { ...pair, authority: pki.authority.certificate };
    },
    asAccount: (name) => hold.others(turns.transport(inProcessTransport(api.handle, accountSubject(name)))),
    addKubelet: api.addKubelet,
    isNew,
    turn: () => networkClock.yield(),
    onNodesReady,
  };
}
