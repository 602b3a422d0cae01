/**
 * Whether the servers behind this one are there: writes the condition `Available` of APIServices, and reads from each server what it has, for discovery. Looked at when an
 * APIService, its Service or its endpoints change, and every `againMs`.
 *
 * Limits: a look takes at most `lookMs` and reads `listBytesMax`; what a server says of itself is kept only where it has the form of discovery.
 * Upstream counterpart: kube-aggregator `pkg/controllers/status/{local,remote}`.
 */
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, services } from '#pkg/api/types/refs.ts';
import type { ApiRequest, ApiResponse, ResponseBody } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { remoteSpec } from '#pkg/apiserver/openapi/merge-v2.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Informers } from '#pkg/client/informer.ts';
import { createWorkQueue } from '#pkg/client/queue.ts';
import { runReconcileLoop } from '#pkg/client/reconcile-loop.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import type { Aggregator } from './aggregator.ts';
import { type APIService, type APIServiceCondition, apiServices } from './api-service.ts';
import type { RemoteConnection } from './remote-connection.ts';

/** What it looks at and by whom. */
export interface AvailabilityOptions {
  /** As the server itself. */
  readonly client: Client;
  readonly aggregator: Aggregator;
  readonly clock: Clock;
  /** By which servers are waited for. */
  readonly networkClock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Until a server that was there is looked at again. Source: the resync of upstream's informers. */
const againMs = 30_000;
/** Until one that was not there is. Source: none; upstream backs off from 5 ms to 30 s. */
const failedAgainMs = 2_000;
/** How long a look may take. Source: `remote_available_controller.go`. */
const lookMs = 5_000;
/** Bytes of a server's list of resources, and of its document of OpenAPI. */
const listBytesMax = 4 * 1024 * 1024;
/** Resources of one group and version that discovery tells of. */
const resourcesMax = 2_000;
const workers = 4;

/** In whose name it is looked. Source: `remote_available_controller.go`. */
const aggregatorUser: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'] };

type Finding = Pick<APIServiceCondition, 'message' | 'reason' | 'status'>;

const passed: Finding = { status: 'True', reason: 'Passed', message: 'all checks passed' };
const local: Finding = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' };

/** Makes the component. */
export function createAvailability(options: AvailabilityOptions): Component {
  const { client, clock, random, log } = options;
  return {
    async run(signal) {
      const informers = createInformers({ client, clock, random, log });
      const services$ = informers.informer(apiServices);
      const queue = createWorkQueue({ name: 'apiservices', clock });
      const add = ({ metadata }: APIService): void => queue.add(metadata?.name ?? '');
      services$.addHandler({ added: add, updated: (_, service) => add(service) });
      const ofService = (namespace: string, name: string): void => {
        for (const one of services$.lister.list()) {
          const { service } = one.spec ?? {};
          if (service?.namespace === namespace && service.name === name) add(one);
        }
      };
      const look = new Look(options, informers);
      look.onChange(ofService);
      const reconcile = async (name: string): Promise<ReconcileResult> => {
        const service = services$.lister.get(name);
        if (service === undefined) return undefined;
        const isLocal = service.spec?.service === undefined;
        const finding = isLocal ? local : await look.at(service, signal);
        await tell(options, service, finding);
        if (isLocal) return undefined;
        if (finding === passed) await look.readOpenApi(service, signal);
        return { requeueAfterMs: finding === passed ? againMs : failedAgainMs };
      };
      const loop = { name: 'apiservices', queue, reconcile, workers, log, clock };
      await Promise.all([informers.run(signal), runReconcileLoop(loop, signal)]);
    },
  };
}

/** Looks whether one server is there. */
class Look {
  readonly #options: AvailabilityOptions;
  readonly #informers: Informers;

  constructor(options: AvailabilityOptions, informers: Informers) {
    this.#options = options;
    this.#informers = informers;
  }

  onChange(changed: (namespace: string, name: string) => void): void {
    const ofService = ({
      metadata,
    }: {
      readonly metadata?: { readonly namespace?: string; readonly name?: string };
    }): void => changed(metadata?.namespace ?? '', metadata?.name ?? '');
    this.#informers.informer(services).addHandler({
      added: ofService,
      updated: (_, service) => ofService(service),
      deleted: ofService,
    });
    const ofSlice = ({ metadata }: EndpointSlice): void =>
      changed(metadata?.namespace ?? '', metadata?.labels?.['kubernetes.io/service-name'] ?? '');
    this.#informers.informer(endpointSlices).addHandler({
      added: ofSlice,
      updated: (_, slice) => ofSlice(slice),
      deleted: ofSlice,
    });
  }

  async at(service: APIService, signal: AbortSignal): Promise<Finding> {
    await this.#informers.synced(signal);
    const problem = this.#problemOf(service);
    if (problem !== undefined) return problem;
    const { group = '', version = '' } = service.spec ?? {};
    const { aggregator } = this.#options;
    const connection = aggregator.connectionTo(service);
    const path = `/apis/${group}/${version}`;
    if (connection === undefined) return failed('FailedDiscoveryCheck', `no address is known for ${path}`);
    try {
      return await this.#asking(connection, path, signal, async (ask, ends) => {
        const answer = await ask(path);
        if (answer.status < 200 || answer.status >= 300)
          return failed(
            'FailedDiscoveryCheck',
            `failing or missing response from ${path}: bad status from ${path}: ${answer.status}`,
          );
        const text = await until(ends, readText(answer.body));
        const resources = resourcesOf(text, group, version);
        if (resources !== undefined) aggregator.learn(group, version, resources);
        return passed;
      });
    } catch (error) {
      return failed('FailedDiscoveryCheck', `failing or missing response from ${path}: ${errorText(error)}`);
    }
  }

  /** Reads what an available server says of itself in OpenAPI v2. It is no less available when it says nothing, or nothing that can be read. */
  async readOpenApi({ spec }: APIService, signal: AbortSignal): Promise<void> {
    const { aggregator } = this.#options;
    const { group = '', version = '' } = spec ?? {};
    const connection = aggregator.connectionTo({ spec });
    if (connection === undefined) return;
    const path = '/openapi/v2';
    let document: unknown;
    try {
      await this.#asking(connection, path, signal, async (ask, ends) => {
        const { status, body } = await ask(path);
        if (status === 200) document = JSON.parse(await until(ends, readText(body)));
      });
    } catch {
      // What it said before may be true still.
      return;
    }
    aggregator.learnOpenApi(group, version, remoteSpec(document, group, version));
  }

  /** Asks a server for as long as a look may take. */
  async #asking<T>(
    connection: RemoteConnection,
    path: string,
    signal: AbortSignal,
    act: (ask: (path: string) => Promise<ApiResponse>, ends: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { aggregator, networkClock: clock } = this.#options;
    const late = new AbortController();
    const timer = clock.setTimeout(() => late.abort(new Error(`timed out waiting for ${path}`)), lookMs);
    const ends = AbortSignal.any([signal, late.signal]);
    const handler = aggregator.handlerOf(connection, aggregatorUser);
    try {
      return await act((asked) => until(ends, handler(getRequest(asked, ends))), ends);
    } finally {
      timer.cancel();
      // Whatever is still to come of it, nobody reads.
      late.abort();
    }
  }

  /** What stands in the way before anything is asked. */
  #problemOf({ spec }: APIService): Finding | undefined {
    const { namespace = '', name = '', port = 443 } = spec?.service ?? {};
    const found = this.#informers.informer(services).lister.get(`${namespace}/${name}`);
    const of = `service/${name} in ${JSON.stringify(namespace)}`;
    if (found === undefined) return failed('ServiceNotFound', `${of} is not present`);
    if ((found.spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined;
    const named = (found.spec?.ports ?? []).find((one) => one.port === port);
    if (named === undefined) return failed('ServicePortError', `${of} is not listening on port ${port}`);
    const slices = this.#informers
      .informer(endpointSlices)
      .lister.list(namespace)
      .filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === name);
    if (slices.length === 0) return failed('EndpointsNotFound', `cannot find endpointslices for ${of}`);
    const portName = named.name ?? '';
    if (slices.some((slice) => hasEndpoint(slice, portName))) return undefined;
    const why = `endpointslices for ${of} have no addresses with port name ${JSON.stringify(portName)}`;
    return failed('MissingEndpoints', why);
  }
}

function getRequest(path: string, signal: AbortSignal): ApiRequest {
  return { method: 'GET', path, query: '', headers: { accept: 'application/json' }, peer: { address: '' }, signal };
}

function hasEndpoint({ endpoints, ports }: EndpointSlice, portName: string): boolean {
  const isReady = (endpoints ?? []).some(({ conditions }) => conditions?.ready ?? true);
  return isReady && (ports ?? []).some(({ name, port }) => (name ?? '') === portName && port !== undefined);
}

function failed(reason: string, message: string): Finding {
  return { status: 'False', reason, message };
}

/** Rejects with the reason of `signal` when that comes first: a connection that hangs may not listen to it. */
async function until<T>(signal: AbortSignal, waited: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([waited, promise]);
  } finally {
    signal.removeEventListener('abort', leave);
    waited.catch(() => {});
    promise.catch(() => {});
  }
}

async function readText(body: ResponseBody): Promise<string> {
  if (body.kind === 'bytes') return Buffer.from(body.bytes).toString();
  if (body.kind === 'object') return JSON.stringify(body.object);
  if (body.kind !== 'stream') return '';
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body.chunks) {
    size += part.length;
    if (size > listBytesMax) throw new Error(`the answer is longer than ${listBytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** The resources that a server says it has; undefined for what is no list of them. Those of another group or version it has no say about. */
function resourcesOf(text: string, group: string, version: string): readonly JsonObject[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(list) || list.groupVersion !== `${group}/${version}` || !Array.isArray(list.resources))
    return undefined;
  return list.resources.slice(0, resourcesMax).filter(isResource);
}

function isResource(one: unknown): one is JsonObject {
  return isObject(one) && typeof one.name === 'string' && typeof one.kind === 'string' && Array.isArray(one.verbs);
}

/** Writes the condition where it is another one. */
async function tell({ client, clock }: AvailabilityOptions, service: APIService, finding: Finding): Promise<void> {
  const conditions = service.status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === 'Available');
  const { status, reason, message } = finding;
  if (before?.status === status && before.reason === reason && before.message === message) return;
  const now = timestamp(clock);
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
  const others = conditions.filter(({ type }) => type !== 'Available');
  const next = { type: 'Available', ...finding, lastTransitionTime };
  try {
    await client
      .resource(apiServices)
      .update({ ...service, status: { ...service.status, conditions: [...others, next] } }, { subresource: 'status' });
  } catch (error) {
    // A newer state comes by itself.
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
