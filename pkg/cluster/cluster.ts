/**
 * A whole cluster in one process: API server, controllers, scheduler, kube-proxy and kubelets, each with an identity and a connection of its own.
 * They meet only through the API; being in one process only spares them the network.
 *
 * Invariant: what `startCluster` started has stopped when `stop` has resolved, or when it rejects.
 */

import { join } from 'node:path';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { childSignal } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { limitedTransport, RequestPlaces } from '#pkg/client/limited-transport.ts';
import { GroupHealth } from '#pkg/component/group-health.ts';
import type { HealthChecks } from '#pkg/component/health.ts';
import type { ServingLimits } from '#pkg/serving/limits.ts';
import type { ApiPart } from './api-part.ts';
import { Members } from './members.ts';
import { NodesReady } from './nodes-ready.ts';
import type { PartContext } from './parts.ts';
import { ensurePki, identitySubject, type Pki } from './pki.ts';
import { type ClusterSettings, kubernetesServiceIp, nodeNames, podRange } from './settings.ts';
import { openStore } from './store.ts';

export interface ClusterOptions {
  readonly settings: ClusterSettings;
  /** Where everything is kept. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Ends the cluster. */
  readonly signal: AbortSignal;
  /** Told what begins, and what to say once it is done. */
  readonly onStep?: (doing: string, done: string) => void;
  /** Told what was reached, for measuring. */
  readonly trace?: (what: string) => void;
  /** What differs from the default limits of the API server's connections. */
  readonly servingLimits?: Partial<ServingLimits>;
}

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

/** Most nodes of which each is a line of its own in what `status` and the health endpoints say. */
const nodeChecksMax = 50;
/** Requests of all nodes of the process that are under way at once: as many as a store commits together, and room for those of others beside them. */
const nodeRequestsMax = 100;

export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { settings, folder, clock, random, log } = options;
  const trace = options.trace ?? (() => {});
  const step = options.onStep ?? (() => {});
  const members = nodeNames(settings);
  step('Preparing keys and certificates', 'Prepared keys and certificates');
  const loading = import('./api-part.ts');
  loading.catch(() => {});
  const pki = await ensurePki({
    folder: join(folder, 'pki'),
    clock,
    // Nodes of this process have no use for certificates: they are connected to the API server within it.
    nodeNames: [],
    hosts: [kubernetesServiceIp(settings.serviceCidr)],
  });
  trace('keys and certificates');
  step('Starting the API server', 'Started the API server');
  const store = await openStore({ store: settings.store, folder, clock, random, log });
  trace('store open');
  const { apiPart } = await loading;
  trace('API server loaded');
  const api = await apiPart({
    store,
    clock,
    random,
    log,
    serviceCidr: settings.serviceCidr,
    host: '127.0.0.1',
    port: settings.apiPort,
    server: pki.server,
    clientCa: pki.authority.certificate,
    kubeletClient: pki.identities.get('kubelet-client')!,
    limits: options.servingLimits ?? {},
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  trace(`API server answers at ${api.url}`);
  const running = new Members(options.signal);
  running.start('kube-apiserver', api, { last: true, check: api.health });
  const as = (identity: string): PartContext => {
    const { commonName, organizations = [] } = identitySubject(identity);
    return { transport: inProcessTransport(api.handle, { commonName, organizations }), clock, random, log };
  };
  let ready: NodesReady;
  try {
    step(
      'Starting the nodes, the controllers, the scheduler and the proxy',
      `Started ${members.length} node${members.length === 1 ? '' : 's'}`,
    );
    ready = await startNodes({ options, members, api, running, as });
    trace('kubelets run');
    const { controllerManagerPart, proxyPart, schedulerPart } = await import('./parts.ts');
    const rootCa = pki.authority.certificate;
    running.start(
      'kube-controller-manager',
      await controllerManagerPart(as('controller-manager'), { rootCa, podCidr: podRange(settings) }),
    );
    trace('controllers run');
    running.start('kube-scheduler', await schedulerPart(as('scheduler')));
    running.start('kube-proxy', await proxyPart(as('kube-proxy'), { nodePortAddresses: [settings.nodeAddress] }));
    trace('scheduler and proxy run');
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
    nodesReady: async (timeoutMs, signal) => {
      const wait = childSignal(signal);
      try {
        // A cluster that fails meanwhile says why.
        await Promise.race([running.stopped, ready.wait(clock, { timeoutMs, signal: wait.controller.signal })]);
      } finally {
        wait.controller.abort();
        wait.dispose();
      }
    },
  };
}

interface NodesToStart {
  readonly options: ClusterOptions;
  readonly members: readonly string[];
  readonly api: ApiPart;
  readonly running: Members;
  as(identity: string): PartContext;
}

/** Every node writes in its own name; what they look at is watched once for all of them. */
async function startNodes({ options, members, api, running, as }: NodesToStart): Promise<NodesReady> {
  const { settings, folder } = options;
  const { nodePart, nodeWatches, defaultKubeletPort } = await import('./node-part.ts');
  const shared = await nodeWatches(as('nodes'), members);
  const ready = new NodesReady(shared.nodes, members);
  const group = new GroupHealth();
  const areMany = members.length > nodeChecksMax;
  if (areMany) running.health.set('kubelets', group.check);
  running.start('node watches', shared, { group });
  const places = new RequestPlaces(nodeRequestsMax);
  for (const nodeName of members) {
    const context = as(`node:${nodeName}`);
    const node = await nodePart(
      { ...context, transport: limitedTransport(context.transport, places) },
      {
        nodeName,
        nodeAddress: settings.nodeAddress,
        runtime: settings.runtime,
        folder: join(folder, 'kubelet', nodeName),
        kubeletPort: defaultKubeletPort,
        nodesOnMachine: members.length,
        shared,
      },
    );
    api.addKubelet(nodeName, node.kubelet.handle);
    running.start(`kubelet/${nodeName}`, node, areMany ? { group } : {});
  }
  return ready;
}
