/**
 * The typed client over any transport. Bodies go as objects; a transport that crosses a network encodes them. It keeps no
 * state and retries nothing but what the server turned away unseen: what to do about an error is the caller's decision.
 * Upstream counterpart: client-go `rest` and the typed clients generated over it.
 */

import type { ApiResponse, HttpHeaders } from '#pkg/apimachinery/http.ts';
import {
  apiVersionOf,
  type JsonObject,
  type KubeList,
  type KubeObject,
  type ObjectMeta,
  type ResourceRef,
} from '#pkg/apimachinery/object.ts';
import { type Status, StatusError, type StatusReason } from '#pkg/apimachinery/status-error.ts';
import { neverAborted, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import { bodyObject } from './body-object.ts';
import type {
  Client,
  ClientWatchEvent,
  DeleteOptions,
  GetOptions,
  ListOptions,
  ObjectOptions,
  PatchOptions,
  ResourceClient,
  Transport,
  WatchCallOptions,
  WriteOptions,
} from './client.ts';
import { ClientMetrics } from './client-metrics.ts';
import { clientWatch } from './client-watch.ts';
import { retryAfterSeconds } from './refusals.ts';
import { listQuery, queryOf, resourcePath, watchQuery, writeQuery } from './resource-path.ts';

/** The transport, the client's name, and whether it waits when it is told to. */
export interface ClientOptions {
  readonly transport: Transport;
  /** Names the component in the server's logs and as the default field manager (its part before the first slash). */
  readonly userAgent: string;
  /**
   * With a clock, requests that the server turns away for now are sent again after the time it asks for: those answered with 429, and
   * those with 5xx and a `Retry-After`.
   */
  readonly clock?: Clock;
  /** Ends the calls that are given no signal of their own, watches aside, which end with whoever reads them. Default: nothing does. */
  readonly signal?: AbortSignal;
  /** Where requests are counted; needs a clock. Default: nowhere. */
  readonly metrics?: Metrics;
}

/** How often a request that is turned away is sent again. Source: client-go `rest.Request` `maxRetries`. */
const turnedAwayRetriesMax = 10;

/** A client over `transport`. */
export function createClient(options: ClientOptions): Client {
  const caller = new Caller(options);
  return {
    transport: options.transport,
    until: (signal) => createClient({ ...options, signal }),
    resource: <T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T> => new RestResource<T>(caller, ref),
  };
}

/** In-process transports put in who they speak for. */
const peer = { address: '' };

/** One request as the resource client wants it made. */
interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

class Caller {
  readonly #transport: Transport;
  readonly #clock: Clock | undefined;
  readonly #metrics: ClientMetrics | undefined;
  readonly #signal: AbortSignal;
  /** The headers of requests without a body. */
  readonly #accepting: HttpHeaders;
  /** Of those with one, by its type. */
  readonly #sending = new Map<string, HttpHeaders>();

  constructor(options: ClientOptions) {
    this.#transport = options.transport;
    this.#accepting = { accept: 'application/json', 'user-agent': options.userAgent };
    this.#clock = options.clock;
    const { metrics, clock } = options;
    this.#metrics = metrics === undefined || clock === undefined ? undefined : new ClientMetrics(metrics, clock);
    this.#signal = options.signal ?? neverAborted;
  }

  /** The answer if it is a success; throws the `StatusError` it carries otherwise. */
  async send(call: Call): Promise<ApiResponse> {
    const signal = call.signal ?? this.#signal;
    signal.throwIfAborted();
    const startMs = this.#metrics?.nowMs;
    const response = await this.#sendOnce(call, signal);
    this.#metrics?.count(call.method, response.status, startMs);
    return isSuccess(response) ? response : this.#sendAgain(call, signal, response);
  }

  async #sendAgain(call: Call, signal: AbortSignal, first: ApiResponse): Promise<ApiResponse> {
    let response = first;
    for (let retries = 0; !isSuccess(response); retries++) {
      signal.throwIfAborted();
      const error = await errorOf(response);
      const waitSeconds = retryAfterSeconds(response, error);
      if (waitSeconds === undefined || this.#clock === undefined || retries >= turnedAwayRetriesMax) throw error;
      await sleep(this.#clock, waitSeconds * 1_000, signal);
      signal.throwIfAborted();
      const startMs = this.#metrics?.nowMs;
      response = await this.#sendOnce(call, signal);
      this.#metrics?.count(call.method, response.status, startMs);
    }
    return response;
  }

  #sendOnce(call: Call, signal: AbortSignal): Promise<ApiResponse> {
    const { method, path, body, contentType = 'application/json' } = call;
    const query = call.query === undefined ? '' : queryOf(call.query);
    if (body === undefined) {
      return this.#transport.request({ method, path, query, headers: this.#accepting, peer, signal });
    }
    const headers = this.#headersFor(contentType);
    return this.#transport.request({
      method,
      path,
      query,
      headers,
      body: { kind: 'object', object: body },
      peer,
      signal,
    });
  }

  #headersFor(contentType: string): HttpHeaders {
    let headers = this.#sending.get(contentType);
    if (headers === undefined) {
      headers = { ...this.#accepting, 'content-type': contentType };
      this.#sending.set(contentType, headers);
    }
    return headers;
  }

  async object<T>(call: Call): Promise<T> {
    const signal = call.signal ?? this.#signal;
    signal.throwIfAborted();
    // As `send`, whose promise of its own each write would pay for.
    const startMs = this.#metrics?.nowMs;
    let response = await this.#sendOnce(call, signal);
    this.#metrics?.count(call.method, response.status, startMs);
    if (!isSuccess(response)) response = await this.#sendAgain(call, signal, response);
    const { body } = response;
    return (body.kind === 'object' ? body.object : await bodyObject(response)) as T;
  }
}

function isSuccess({ status }: ApiResponse): boolean {
  return status >= 200 && status < 300;
}

/** The `StatusError` that an unsuccessful answer stands for. */
export async function errorOf(response: ApiResponse): Promise<StatusError> {
  let body: unknown;
  try {
    body = await bodyObject(response);
  } catch {
    body = undefined; // Not a Status; the code alone has to do.
  }
  const status = body as Partial<Status> | undefined;
  if (status?.kind === 'Status' && typeof status.code === 'number') return StatusError.from(status as Status);
  const { reason, message } = meanings[response.status] ?? {
    reason: 'InternalError',
    message: `the server responded with the status code ${response.status} but did not return more information`,
  };
  return new StatusError({ code: response.status, reason, message });
}

/** What a code says when no `Status` comes with it, as from something between client and server. Source: `NewGenericServerResponse`. */
const meanings: Readonly<Record<number, { readonly reason: StatusReason; readonly message: string }>> = {
  400: { reason: 'BadRequest', message: 'the server rejected our request for an unknown reason' },
  401: { reason: 'Unauthorized', message: 'the server has asked for the client to provide credentials' },
  403: { reason: 'Forbidden', message: 'the server does not allow access to the requested resource' },
  404: { reason: 'NotFound', message: 'the server could not find the requested resource' },
  405: { reason: 'MethodNotAllowed', message: 'the server does not allow this method on the requested resource' },
  406: {
    reason: 'NotAcceptable',
    message: 'the server was unable to respond with a content type that the client supports',
  },
  409: { reason: 'Conflict', message: 'the server reported a conflict' },
  410: { reason: 'Gone', message: 'the server no longer has what was asked for' },
  413: { reason: 'RequestEntityTooLarge', message: 'the request is larger than the server takes' },
  415: {
    reason: 'UnsupportedMediaType',
    message: 'the body of the request was in an unknown format - accepted media types include: application/json',
  },
  422: { reason: 'Invalid', message: 'the server rejected our request due to an error in our request' },
  429: {
    reason: 'TooManyRequests',
    message: 'the server has received too many requests and has asked us to try again later',
  },
  503: { reason: 'ServiceUnavailable', message: 'the server is currently unable to handle the request' },
  504: {
    reason: 'Timeout',
    message: 'the server was unable to return a response in the time allotted, but may still be processing the request',
  },
};

const patchContentTypes = {
  apply: 'application/apply-patch+yaml',
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

const noOptions: WriteOptions = {};

class RestResource<T extends KubeObject> implements ResourceClient<T> {
  readonly #caller: Caller;
  readonly #ref: ResourceRef<T>;
  /** Of the object that was changed last: whoever keeps one object's client, as of its lease, changes it again. */
  #last:
    | { readonly namespace: string | undefined; readonly name: string | undefined; readonly path: string }
    | undefined;

  constructor(caller: Caller, ref: ResourceRef<T>) {
    this.#caller = caller;
    this.#ref = ref;
  }

  #pathOf(metadata: ObjectMeta = {}): string {
    const { namespace, name } = metadata;
    const last = this.#last;
    if (last !== undefined && last.name === name && last.namespace === namespace) return last.path;
    const path = this.#path({ namespace, name: name ?? '' });
    this.#last = { namespace, name, path };
    return path;
  }

  #path(target: {
    namespace?: string | undefined;
    name?: string | undefined;
    subresource?: string | undefined;
  }): string {
    return resourcePath(this.#ref, target);
  }

  get(name: string, options: GetOptions = {}): Promise<T> {
    return this.#caller.object<T>({
      method: 'GET',
      path: this.#path({ namespace: options.namespace, name, subresource: options.subresource }),
      query: { resourceVersion: options.resourceVersion },
      signal: options.signal,
    });
  }

  list(options: ListOptions = {}): Promise<KubeList<T>> {
    return this.#caller.object<KubeList<T>>({
      method: 'GET',
      path: this.#path({ namespace: options.namespace }),
      query: listQuery(options),
      signal: options.signal,
    });
  }

  watch(options: WatchCallOptions = {}): AsyncIterable<readonly ClientWatchEvent<T>[]> {
    const call = { method: 'GET', path: this.#path({ namespace: options.namespace }), query: watchQuery(options) };
    return clientWatch<T>((signal) => this.#caller.send({ ...call, signal }), options.signal);
  }

  create(object: T, options: WriteOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata ?? {};
    const target = options.subresource === undefined ? {} : { name, subresource: options.subresource };
    return this.#caller.object<T>({
      method: 'POST',
      path: this.#path({ namespace, ...target }),
      query: writeQuery(options),
      body: this.#typed(object),
      signal: options.signal,
    });
  }

  update(object: T, options: WriteOptions = noOptions): Promise<T> {
    const { subresource } = options;
    const { namespace, name } = object.metadata ?? {};
    return this.#caller.object<T>({
      method: 'PUT',
      path:
        subresource === undefined
          ? this.#pathOf(object.metadata)
          : this.#path({ namespace, name: name ?? '', subresource }),
      query: options === noOptions ? undefined : writeQuery(options),
      body: this.#typed(object),
      signal: options.signal,
    });
  }

  patch(name: string, patch: JsonObject | readonly JsonObject[], options: PatchOptions): Promise<T> {
    return this.#caller.object<T>({
      method: 'PATCH',
      path: this.#path({ namespace: options.namespace, name, subresource: options.subresource }),
      query: { ...writeQuery(options), force: options.force },
      body: patch,
      contentType: patchContentTypes[options.type],
      signal: options.signal,
    });
  }

  async delete(name: string, options: DeleteOptions = {}): Promise<void> {
    await this.#caller.object({
      method: 'DELETE',
      path: this.#path({ namespace: options.namespace, name }),
      body: deleteBody(options),
      signal: options.signal,
    });
  }

  async deleteCollection(options: ListOptions & Omit<DeleteOptions, 'namespace'> = {}): Promise<void> {
    await this.#caller.object({
      method: 'DELETE',
      path: this.#path({ namespace: options.namespace }),
      query: listQuery(options),
      body: deleteBody(options),
      signal: options.signal,
    });
  }

  createSubresource(
    name: string,
    subresource: string,
    body: KubeObject,
    options: ObjectOptions = {},
  ): Promise<KubeObject> {
    return this.#caller.object<KubeObject>({
      method: 'POST',
      path: this.#path({ namespace: options.namespace, name, subresource }),
      body,
      signal: options.signal,
    });
  }

  /** The object with the kind it is sent as; items of lists come without one. */
  #typed(object: T): T {
    if (object.kind !== undefined && object.apiVersion !== undefined) return object;
    return { ...object, apiVersion: apiVersionOf(this.#ref), kind: this.#ref.kind };
  }
}

function deleteBody(options: Omit<DeleteOptions, 'namespace'>): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
    ...(options.propagationPolicy === undefined ? {} : { propagationPolicy: options.propagationPolicy }),
    ...(options.preconditions === undefined ? {} : { preconditions: options.preconditions }),
    ...(options.dryRun ? { dryRun: ['All'] } : {}),
  };
}
