/**
 * For tests of the scheduler as a whole: one that runs on virtual time against an API in memory, which knows bindings and validates nothing. It counts what the scheduler and the test
 * ask, and fails bindings on demand.
 */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { events, nodes, podGroups, pods } from '#pkg/api/types/refs.ts';
import type { ApiHandler, ApiRequest } from '#pkg/apimachinery/http.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import type { AnyPlugin } from '../framework/plugin.ts';
import { pluginTable } from '../plugin-table.ts';
import { createScheduler, type SchedulerOptions } from '../scheduler.ts';

const bindingPath = /^(.*\/pods\/[^/]+)\/binding$/;

/** A scheduler, which knows gangs, and what it was asked and answered. */
export class SchedulerWorld {
  readonly clock = new VirtualClock();
  readonly client: Client;
  /** Names of pods in the order of their bindings. */
  readonly bound: string[] = [];
  /** Names of pods whose next binding fails. */
  readonly failing = new Set<string>();
  /** All requests so far, those of the test too. */
  requests = 0;
  /** Called before the next binding is answered. */
  beforeBinding: (() => Promise<unknown>) | undefined;
  /** What the scheduler is started with beside its plugins. */
  options: Pick<SchedulerOptions, 'callExtender' | 'configuration'> = {};
  readonly #api = new FakeApi();

  constructor() {
    const handler: ApiHandler = (request) => this.#answer(request);
    const transport = inProcessTransport(handler, { commonName: 'system:kube-scheduler', organizations: [] });
    this.client = createClient({ transport, userAgent: 'scheduler-test' });
  }

  /** Starts it with further plugins; the returned function stops it and waits for its end. */
  start(...plugins: readonly AnyPlugin[]): () => Promise<void> {
    const { client, clock } = this;
    const random = new SeededRandom(1);
    const stop = new AbortController();
    const informers = createInformers({ client, clock, random, log: silentLogger });
    const deps = { client, informers, clock, random, log: silentLogger, metrics: new Metrics() };
    const table = [...pluginTable, ...plugins.map((plugin) => ({ plugin }))];
    const scheduler = createScheduler({ deps, plugins: table, hasGangs: true, ...this.options });
    const running = Promise.all([informers.run(stop.signal), scheduler.run(stop.signal)]);
    return async () => {
      stop.abort();
      await running;
    };
  }

  /** Makes nodes, and lets the scheduler do what it will. */
  async nodes(...objects: readonly Node[]): Promise<void> {
    for (const object of objects) await this.client.resource(nodes).create(object);
    await this.clock.settle();
  }

  /** Makes a pod group that is a gang. */
  async gang(name: string, minCount: number): Promise<void> {
    const spec = { schedulingPolicy: { gang: { minCount } } };
    await this.client.resource(podGroups).create({ metadata: { name, namespace: 'default' }, spec });
    await this.clock.settle();
  }

  /** Makes pods, and lets the scheduler do what it will. */
  async pods(...objects: readonly Pod[]): Promise<void> {
    for (const object of objects) await this.client.resource(pods).create(object);
    await this.clock.settle();
  }

  async remove(name: string): Promise<void> {
    await this.client.resource(pods).delete(name, { namespace: 'default' });
  }

  /** The nodes of the pods that have one. */
  async placed(): Promise<Readonly<Record<string, string>>> {
    const { items } = await this.client.resource(pods).list({ namespace: 'default' });
    const having = items.filter(({ spec }) => spec?.nodeName);
    return Object.fromEntries(having.map(({ metadata, spec }) => [metadata?.name, spec?.nodeName ?? '']).sort());
  }

  /** The message of the condition `PodScheduled`. */
  async conditionOf(name: string): Promise<string> {
    const { status } = await this.client.resource(pods).get(name, { namespace: 'default' });
    return status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message ?? '';
  }

  /** `type reason: message` of the events about an object. */
  async eventsOf(name: string): Promise<readonly string[]> {
    const { items } = await this.client.resource(events).list({ namespace: 'default' });
    return items
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  }

  /** How many requests `during` takes. */
  async requestsDuring(during: () => Promise<unknown>): Promise<number> {
    const before = this.requests;
    await during();
    return this.requests - before;
  }

  async #answer(request: ApiRequest) {
    this.requests++;
    const path = bindingPath.exec(request.path)?.[1];
    if (path === undefined) return this.#api.handle(request);
    const { beforeBinding } = this;
    this.beforeBinding = undefined;
    await beforeBinding?.();
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (this.failing.delete(name)) throw new Error('the connection was lost');
    this.bound.push(name);
    const { target } = (request.body as { object: { target: { name: string } } }).object;
    const body = { kind: 'object', object: { spec: { nodeName: target.name } } } as const;
    return this.#api.handle({ ...request, method: 'PATCH', path, body });
  }
}
