/**
 * A whole cluster in one process: API server, controllers, scheduler, kube-proxy and kubelets, each with an identity and a connection of its own.
 * They meet only through the API; being in one process only spares them the network.
 *
 * Invariant: what `startCluster` started has stopped when `stop` has resolved, or when it rejects.
 */

import { join } from 'node:path';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import type { Component } from '#pkg/component/component.ts';
import { type HealthCheck, HealthChecks } from '#pkg/component/health.ts';
import type { ServingLimits } from '#pkg/serving/limits.ts';
import { ensurePki, identitySubject, type Pki } from './pki.ts';
import { type ClusterSettings, kubernetesServiceIp, nodeNames } from './settings.ts';
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
  /** One check per component. */
  readonly health: HealthChecks;
  /** The API without the network. */
  readonly handle: ApiHandler;
  /** Resolves when every node is Ready, or `signal` is aborted; rejects after `timeoutMs`. */
  nodesReady(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Settles when everything has stopped; rejects when a component failed. */
  readonly stopped: Promise<void>;
  stop(): Promise<void>;
}

/** Interval between looks at the nodes while the cluster starts. */
const lookIntervalMs = 20;

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
    nodeNames: members,
    hosts: [kubernetesServiceIp(settings.serviceCidr)],
  });
  trace('keys and certificates');
  step('Starting the API server', 'Started the API server');
  const store = await openStore({ store: settings.store, folder: join(folder, 'store'), clock, log });
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
  const as = (identity: string) => {
    const { commonName, organizations = [] } = identitySubject(identity);
    return { transport: inProcessTransport(api.handle, { commonName, organizations }), clock, random, log };
  };
  try {
    step(
      'Starting the nodes, the controllers, the scheduler and the proxy',
      `Started ${members.length} node${members.length === 1 ? '' : 's'}`,
    );
    const { nodePart, defaultKubeletPort } = await import('./node-part.ts');
    for (const nodeName of members) {
      const node = await nodePart(as(`node:${nodeName}`), {
        nodeName,
        nodeAddress: settings.nodeAddress,
        runtime: settings.runtime,
        folder: join(folder, 'kubelet', nodeName),
        kubeletPort: defaultKubeletPort,
        nodesOnMachine: members.length,
      });
      api.addKubelet(nodeName, node.kubelet.handle);
      running.start(`kubelet/${nodeName}`, node);
    }
    trace('kubelets run');
    const { controllerManagerPart, proxyPart, schedulerPart } = await import('./parts.ts');
    const rootCa = pki.authority.certificate;
    running.start(
      'kube-controller-manager',
      await controllerManagerPart(as('controller-manager'), { rootCa, podCidr: settings.podCidr }),
    );
    trace('controllers run');
    running.start('kube-scheduler', await schedulerPart(as('scheduler')));
    running.start('kube-proxy', await proxyPart(as('kube-proxy'), { nodePortAddresses: [settings.nodeAddress] }));
    trace('scheduler and proxy run');
  } catch (error) {
    await running.stop();
    throw error;
  }
  const client = createClient({ ...as('admin'), userAgent: 'coxswain' });
  return {
    server: api.url,
    pki,
    health: running.health,
    handle: api.handle,
    stopped: running.stopped,
    stop: () => running.stop(),
    nodesReady: async (timeoutMs, signal) => {
      const endMs = clock.monotonicMs() + timeoutMs;
      for (;;) {
        const { items } = await client
          .resource(nodes)
          .list({ signal })
          .catch((error: unknown) => {
            if (signal.aborted) return { items: [] };
            throw error;
          });
        const waiting = members.filter((name) => !items.some((node) => node.metadata?.name === name && isReady(node)));
        if (waiting.length === 0 || signal.aborted) return;
        if (clock.monotonicMs() >= endMs) {
          throw new Error(
            `Cannot bring up the cluster as ${waiting.join(', ')} did not become ready within ${timeoutMs / 1000} s`,
          );
        }
        if (!(await sleep(clock, lookIntervalMs, signal))) return;
      }
    },
  };
}

function isReady(node: Node): boolean {
  return isConditionTrue(node.status?.conditions, 'Ready');
}

/** Components that run side by side; when one fails the rest stop. The API server stops after all others. */
class Members {
  readonly health = new HealthChecks();
  readonly stopped: Promise<void>;
  readonly #others: { readonly controller: AbortController; readonly running: Promise<void>[] };
  readonly #last: { readonly controller: AbortController; readonly running: Promise<void>[] };
  #failure: { readonly error: unknown } | undefined;
  readonly #finish: () => void;

  constructor(signal: AbortSignal) {
    const { controller } = childSignal(signal);
    this.#others = { controller, running: [] };
    this.#last = { controller: new AbortController(), running: [] };
    let finish = (): void => {};
    const asked = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
    if (controller.signal.aborted) finish();
    else controller.signal.addEventListener('abort', () => finish(), { once: true });
    this.stopped = asked.then(() => this.#end());
    this.stopped.catch(() => {});
  }

  start(
    name: string,
    component: Component,
    options: { readonly last?: boolean; readonly check?: HealthCheck } = {},
  ): void {
    const group = options.last === true ? this.#last : this.#others;
    this.health.set(name, options.check ?? (() => undefined));
    const running = component.run(group.controller.signal).then(
      () => this.#ended(name, group.controller.signal, undefined),
      (error: unknown) => this.#ended(name, group.controller.signal, { error }),
    );
    group.running.push(running);
  }

  async stop(): Promise<void> {
    this.#others.controller.abort();
    await this.stopped.catch(() => {});
  }

  #ended(name: string, signal: AbortSignal, failure: { readonly error: unknown } | undefined): void {
    const why = failure?.error instanceof Error ? failure.error.message : 'it has ended';
    this.health.set(name, () => why);
    if (failure !== undefined)
      this.#failure ??= { error: new Error(`${name} failed: ${why}`, { cause: failure.error }) };
    else if (!signal.aborted) this.#failure ??= { error: new Error(`${name} ended by itself`) };
    if (!signal.aborted) this.#others.controller.abort();
    this.#finish();
  }

  async #end(): Promise<void> {
    this.#others.controller.abort();
    await Promise.all(this.#others.running);
    this.#last.controller.abort();
    await Promise.all(this.#last.running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
