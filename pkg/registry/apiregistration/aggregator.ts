/**
 * Which groups in versions other servers answer for, by the APIServices that there are; passes requests on to them. It is told of APIServices and Services as the
 * server's caches are, so a request after a change is judged by it. Whether a server is there is what its condition says, which `availability.ts` writes.
 *
 * Limits: a request that does not last has `answerMs` until its answer begins; bodies go through at the pace of their readers, without limit.
 * Upstream counterpart: kube-aggregator `pkg/apiserver/{apiserver,handler_proxy}.go`.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';
import { services } from '#pkg/api/types/refs.ts';
import type { ApiHandler, ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Aggregation, RemoteVersion } from '#pkg/apiserver/aggregation.ts';
import { withinDeadline } from '#pkg/apiserver/deadline.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { RemoteSpec } from '#pkg/apiserver/openapi/merge-v2.ts';
import { errorResponse, textResponse } from '#pkg/apiserver/responses.ts';
import type { ApiServer } from '#pkg/apiserver/server.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { type APIService, apiServices } from './api-service.ts';
import type { ConnectRemote, RemoteConnection, RemoteTarget } from './remote-connection.ts';
import { passedBack, passedOn, remoteHeaders, remoteUnavailable } from './remote-request.ts';

/** Until an answer begins. Source: `--request-timeout`. */
const answerMs = 60_000;

interface Remote {
  readonly service: APIService;
  readonly group: string;
  readonly version: string;
  readonly isAvailable: boolean;
  resources: readonly JsonObject[] | undefined;
  openApi: RemoteSpec | undefined;
  connection: { readonly key: string; readonly opened: RemoteConnection } | undefined;
}

/** The servers behind one server. */
export class Aggregator implements Aggregation {
  readonly #connect: ConnectRemote;
  readonly #clock: Clock;
  /** By `group/version`. */
  readonly #remotes = new Map<string, Remote>();
  readonly #services = new Map<string, Service>();
  #generation = 0;

  constructor({ connect, clock }: { readonly connect: ConnectRemote; readonly clock: Clock }) {
    this.#connect = connect;
    this.#clock = clock;
  }

  /** Begins to follow what it goes by. */
  async connect({ follow }: Pick<ApiServer, 'follow'>): Promise<void> {
    const sink: FollowSink<APIService> = {
      set: (service) => this.#set(service),
      remove: (service) => this.#remove(service),
    };
    await follow(services, {
      set: (service) => void this.#services.set(keyOf(service.metadata?.namespace, service.metadata?.name), service),
      remove: (service) => void this.#services.delete(keyOf(service.metadata?.namespace, service.metadata?.name)),
    });
    await follow(apiServices, sink);
  }

  get isEmpty(): boolean {
    return this.#remotes.size === 0;
  }

  get generation(): number {
    return this.#generation;
  }

  has(group: string, version: string): boolean {
    return this.#remotes.has(keyOf(group, version));
  }

  versions(): readonly RemoteVersion[] {
    return [...this.#remotes.values()].map(({ group, version, service, resources, isAvailable, openApi }) => ({
      group,
      version,
      groupPriority: service.spec?.groupPriorityMinimum ?? 0,
      versionPriority: service.spec?.versionPriority ?? 0,
      resources,
      isAvailable,
      openApi,
    }));
  }

  /** What a server says that it has, as discovery tells it from now on. */
  learn(group: string, version: string, resources: readonly JsonObject[]): void {
    const remote = this.#remotes.get(keyOf(group, version));
    if (remote === undefined || JSON.stringify(remote.resources) === JSON.stringify(resources)) return;
    remote.resources = resources;
    this.#generation++;
  }

  /** What a server says of itself in OpenAPI v2, as the document tells it from now on; undefined: nothing. */
  learnOpenApi(group: string, version: string, openApi: RemoteSpec | undefined): void {
    const remote = this.#remotes.get(keyOf(group, version));
    if (remote === undefined || deepEqual(remote.openApi, openApi)) return;
    remote.openApi = openApi;
    this.#generation++;
  }

  async pass(
    request: ApiRequest,
    {
      group,
      version,
      lasts,
      user,
    }: { readonly group: string; readonly version: string; readonly lasts: boolean; readonly user: UserInfo },
  ): Promise<ApiResponse> {
    const remote = this.#remotes.get(keyOf(group, version));
    if (remote === undefined || !remote.isAvailable) return remoteUnavailable();
    const connection = this.#connectionOf(remote);
    if (connection === undefined) return remoteUnavailable();
    const leaving = new AbortController();
    const signal = AbortSignal.any([request.signal, leaving.signal]);
    try {
      const asked = connection.request({ ...passedOn(request), signal }, remoteHeaders(user));
      return passedBack(await (lasts ? asked : withinDeadline(this.#clock, answerMs, asked)));
    } catch (error) {
      leaving.abort();
      if (error instanceof StatusError && error.status.code === 504) return errorResponse(error);
      return textResponse(503, `${errorText(error)}\n`);
    }
  }

  /** The connection to look whether the server is there, whatever its condition says; undefined where there is nothing to connect to. */
  connectionTo(service: APIService): RemoteConnection | undefined {
    const remote = this.#remotes.get(keyOf(service.spec?.group, service.spec?.version));
    return remote === undefined ? undefined : this.#connectionOf(remote);
  }

  /** The handler that a client of one server is made of, in the name of `user`. */
  handlerOf(connection: RemoteConnection, user: UserInfo): ApiHandler {
    return (request) => connection.request(passedOn(request), remoteHeaders(user));
  }

  close(): void {
    for (const { connection } of this.#remotes.values()) connection?.opened.close();
  }

  #set(service: APIService): void {
    const { group = '', version = '', service: reference } = service.spec ?? {};
    if (reference === undefined) {
      this.#remove(service);
      return;
    }
    const key = keyOf(group, version);
    const before = this.#remotes.get(key);
    const isAvailable =
      service.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True') === true;
    this.#remotes.set(key, {
      service,
      group,
      version,
      isAvailable,
      resources: before?.resources,
      openApi: before?.openApi,
      connection: before?.connection,
    });
    const isSame =
      before?.isAvailable === isAvailable &&
      before.service.spec?.groupPriorityMinimum === service.spec?.groupPriorityMinimum &&
      before.service.spec?.versionPriority === service.spec?.versionPriority;
    if (!isSame) this.#generation++;
  }

  #remove({ spec }: APIService): void {
    const key = keyOf(spec?.group, spec?.version);
    const remote = this.#remotes.get(key);
    if (remote === undefined) return;
    remote.connection?.opened.close();
    this.#remotes.delete(key);
    this.#generation++;
  }

  /** Opened anew when something about the target has changed. */
  #connectionOf(remote: Remote): RemoteConnection | undefined {
    const target = this.#targetOf(remote.service);
    if (target === undefined) return undefined;
    const key = JSON.stringify(target);
    if (remote.connection?.key !== key) {
      remote.connection?.opened.close();
      remote.connection = { key, opened: this.#connect(target) };
    }
    return remote.connection.opened;
  }

  /** Source: apiserver `util/proxy` `ResolveCluster`. */
  #targetOf({ spec }: APIService): RemoteTarget | undefined {
    const {
      service: { namespace = '', name = '', port = 443 } = {},
      caBundle = '',
      insecureSkipTLSVerify = false,
    } = spec ?? {};
    const found = this.#services.get(keyOf(namespace, name))?.spec;
    if (found === undefined) return undefined;
    const isExternal = found.type === 'ExternalName';
    const host = (isExternal ? found.externalName : found.clusterIP) ?? '';
    if (host === '' || host === 'None') return undefined;
    if (!isExternal && !(found.ports ?? []).some((one) => one.port === port)) return undefined;
    return {
      host,
      port,
      serverName: `${name}.${namespace}.svc`,
      caBundle: caBundle === '' ? undefined : Buffer.from(caBundle, 'base64').toString(),
      insecure: insecureSkipTLSVerify,
    };
  }
}

function keyOf(first = '', second = ''): string {
  return `${first}/${second}`;
}
