/** The API server of a cluster: its function over the store, and its HTTPS address. */

import type { Node } from '#pkg/api/types/core-v1.ts';
import { nodes } from '#pkg/api/types/refs.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type RequestHeaderSettings, requestHeaderDefaults } from '#pkg/apiserver/authn/request-header.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import type { NetworkTarget } from '#pkg/apiserver/endpoints/scope.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { textBefore } from '#pkg/base/text-before.ts';
import type { Client } from '#pkg/client/client.ts';
import type { ForwardTransport } from '#pkg/client/forward-transport.ts';
import type { Component } from '#pkg/component/component.ts';
import { featuresOf } from '#pkg/component/feature-gates.ts';
import type { HealthCheck } from '#pkg/component/health.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { createAddressRepair } from '#pkg/controllers/service-cidrs/address-repair.ts';
import type { RequestFaults } from '#pkg/faults/request-faults.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import type { AuthorizerChoice } from '#pkg/registry/authorization/authorization.ts';
import { addressAt, parseAddressRange } from '#pkg/registry/core/service/address-range.ts';
import type { Grant } from '#pkg/registry/rbac/policy/default-policy.ts';
import { createHttpsServer, type HttpsServer } from '#pkg/serving/https-server.ts';
import type { ServingLimits } from '#pkg/serving/limits.ts';
import type { Store } from '#pkg/storage/store.ts';
import { admissionSettings } from './admission-flags.ts';
import type { RunningAudit } from './audit/audit.ts';
import type { AuthenticationSettings } from './authentication.ts';
import { createAuthenticationConfig } from './authentication-config.ts';
import { connectRemotes } from './connect-remotes.ts';
import { createIdentityLease, serverIdentity } from './identity-lease.ts';
import { createKubernetesService } from './kubernetes-service.ts';
import { type LocalApi, type LocalApiOptions, localApi, ownIdentity } from './local-api.ts';
import { onDemandGrants } from './on-demand-grants.ts';
import { requestSettings, runtimeConfigOf, type ServerFlagValues } from './server-flags.ts';
import { type ServerAddress, serverPresence } from './server-presence.ts';
import { untilStoreEnds } from './store-end.ts';
import { createTokenTracking } from './token-tracking.ts';
import { createWebhookCaller, type WebhookCaller } from './webhook-caller.ts';

/** The store, the certificates and the address of one API server. */
export interface ApiPartOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What connections and certificates go by, where the cluster's time is not that of the world around it. Default: `clock`. */
  readonly networkClock?: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly serviceCidr: string;
  readonly host: string;
  /** Address at which the cluster finds the server. Default: `host`. */
  readonly advertised?: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly server: CertificatePair;
  /** PEM of the authority that signed clients' certificates and those of kubelets. */
  readonly clientCa: string;
  /** What the server shows to kubelets. */
  readonly kubeletClient: CertificatePair;
  /** What the server shows to servers behind it, and PEM of its authority. Default: nothing. */
  readonly frontProxy?: { readonly authority: string; readonly client: CertificatePair };
  /** Proxies that name users in headers. Default: those of the authority of `frontProxy`, as kubeadm has it; without that none. */
  readonly requestHeader?: RequestHeaderSettings;
  /** Resources beside those of the table of API facts. Default: all that there are. */
  readonly definitions?: readonly ResourceDefinition[];
  /** How users are known, beside their certificates. */
  readonly authentication?: AuthenticationSettings;
  /** Who decides what users may do. Default: `Node` and `RBAC`. */
  readonly authorizationModes?: readonly AuthorizerChoice[];
  /** What is granted beside the default roles and bindings. */
  readonly grants?: readonly Grant[];
  /** What differs from the default limits of connections, deadlines and bodies. */
  readonly limits?: Partial<ServingLimits>;
  /** What goes wrong on demand. Default: nothing, unless the flags ask for it. */
  readonly faults?: RequestFaults | undefined;
  /** What people have set of the server. Default: nothing. */
  readonly flags?: ServerFlagValues;
  /** What the process uses, and what it is. */
  readonly process?: LocalApiOptions['process'];
  /** Pages of what only some servers have. Default: none. */
  readonly ownPages?: LocalApiOptions['ownPages'];
}

/** Runs until aborted; then the store is closed too. */
export interface ApiPart extends Component {
  readonly handle: ApiHandler;
  /** `https://host:port`. */
  readonly url: string;
  /** What `/readyz` says. */
  readonly health: HealthCheck;
  /** Kubelets of this process, by node: reached without the network; undefined for one that is no more. */
  addKubelet(nodeName: string, handle: ApiHandler | undefined): void;
}

/** Resolves once the server answers. */
export async function apiPart(options: ApiPartOptions): Promise<ApiPart> {
  const { clock, networkClock = clock, random, log, host, serviceCidr, advertised = host } = options;
  let kubelets: KubeletConnections | undefined;
  // The port is needed by the first objects, so the server listens before they are made, and answers once they are.
  const opening: { server?: LocalApi; audit?: RunningAudit | undefined } = {};
  const https = createHttpsServer({
    handler: (request) => opening.server!.handle(request),
    cert: options.server.certificate,
    key: options.server.key,
    clientCa: authoritiesOf(options),
    clock: networkClock,
    log,
    limits: options.limits ?? {},
    beforeAnswers: () => opening.audit?.sink.settle?.(),
  });
  const given = await givenOf(options);
  const audit = await auditOf(options);
  opening.audit = audit;
  const faults = await faultsOf(options);
  const store =
    faults === undefined
      ? options.store
      : (await import('./store-faults.ts')).storeWithFaults(options.store, faults.rules);
  const webhooks = createWebhookCaller();
  const { port } = await https.listen({ host, port: options.port });
  const kubeletElsewhere = (nodeName: string): ApiHandler | undefined => kubelets?.handlerOf(nodeName);
  let server: LocalApi;
  let client: Client;
  try {
    server = localApi({
      store,
      clock,
      networkClock,
      random,
      log,
      serviceCidr,
      address: advertised,
      port,
      kubeletElsewhere,
      reach,
      callWebhook: webhooks.call,
      connectRemote: connectRemotes(options.frontProxy?.client),
      registersGroups: true,
      identity: serverIdentity(`${advertised}:${port}`),
      ...(audit === undefined ? {} : { audit }),
      faults,
      ownPages: options.ownPages,
      ...given,
    });
    opening.server = server;
    client = server.client;
    kubelets = new KubeletConnections(options, (name) => client.resource(nodes).get(name));
    await server.ready();
  } catch (error) {
    await https.run(AbortSignal.abort());
    webhooks.close();
    await audit?.end();
    throw error;
  }
  return {
    handle: server.handle,
    url: `https://${advertised}:${port}`,
    health: () => readiness(server.handle),
    addKubelet: server.addKubelet,
    run: (signal) => {
      const services = servicesOf({ ...options, store }, client, { address: advertised, port });
      return runServer({ server, https, services, kubelets, webhooks, store, audit }, signal);
    },
  };
}

function requestHeaderOf({
  frontProxy,
  requestHeader,
}: Pick<ApiPartOptions, 'frontProxy' | 'requestHeader'>): RequestHeaderSettings | undefined {
  if (requestHeader !== undefined || frontProxy === undefined) return requestHeader;
  return { ...requestHeaderDefaults, authority: frontProxy.authority };
}

/** Of clients and of proxies: what a certificate of theirs counts for is told apart afterwards. */
function authoritiesOf(options: ApiPartOptions): string {
  return [options.clientCa, requestHeaderOf(options)?.authority ?? ''].join('\n');
}

/** What keeps objects about the server and its Services true, and what ends it with its store. */
function servicesOf(
  { store, clock, random, log, serviceCidr, clientCa, ...options }: ApiPartOptions,
  client: Client,
  at: ServerAddress,
): readonly Component[] {
  const own = { client, clock, random, log };
  const { address, port } = at;
  return [
    createKubernetesService({
      ...own,
      presence: serverPresence(store, at),
      port,
      clusterIp: firstServiceIp(serviceCidr),
    }),
    createAddressRepair(own),
    createAuthenticationConfig({ ...own, clientCa, requestHeader: requestHeaderOf(options) }),
    createIdentityLease({ ...own, server: `${address}:${port}` }),
    createTokenTracking(own),
    untilStoreEnds(store),
  ];
}

/** The address of the Service `kubernetes`: the first of the primary range. */
function firstServiceIp(serviceCidr: string): string {
  const range = parseAddressRange(textBefore(serviceCidr, ','));
  if (range === undefined) throw new Error(`Cannot use ${serviceCidr} for Services as it is no range of addresses`);
  return addressAt(range, 0);
}

/** What may be left out. */
async function givenOf(options: ApiPartOptions): Promise<Partial<LocalApiOptions>> {
  const { definitions, authorizationModes, grants, process, clientCa, flags } = options;
  const requestHeader = requestHeaderOf(options);
  const runtimeConfig = flags === undefined ? {} : runtimeConfigOf(flags);
  const authentication =
    requestHeader === undefined
      ? options.authentication
      : { ...options.authentication, requestHeader: { ...requestHeader, clientCa } };
  return {
    ...(definitions === undefined ? {} : { definitions }),
    ...(authentication === undefined ? {} : { authentication }),
    ...(authorizationModes === undefined ? {} : { authorizationModes }),
    ...(process === undefined ? {} : { process }),
    ...(flags === undefined
      ? {}
      : {
          requests: requestSettings(flags),
          runtimeConfig,
          features: featuresOf(flags['feature-gates']),
          admissionSettings: await admissionSettings(flags),
        }),
    grants: [...(grants ?? []), ...onDemandGrants(runtimeConfig)],
  };
}

/** Loaded by a server that is told to have them. */
async function faultsOf({
  faults,
  flags,
  clock,
  networkClock = clock,
}: ApiPartOptions): Promise<RequestFaults | undefined> {
  if (faults !== undefined || flags?.['fault-injection'] !== true) return faults;
  const { serverFaults } = await import('#pkg/faults/request-faults.ts');
  return serverFaults(networkClock);
}

/** Loaded by a server that audits. */
async function auditOf({
  flags,
  clock,
  networkClock = clock,
  random,
  log,
}: ApiPartOptions): Promise<RunningAudit | undefined> {
  const files = ['audit-policy-file', 'audit-log-path', 'audit-webhook-config-file'] as const;
  if (flags === undefined || files.every((name) => flags[name] === '')) return undefined;
  const { openAudit } = await import('./audit/audit.ts');
  return openAudit(flags, { clock: networkClock, random, log });
}

/** Passes a request on to a server on the network of pods, each on a connection of its own. Loaded with the first. */
function reach(target: NetworkTarget): ApiHandler {
  return async (request) => {
    const { forwardTransport } = await import('#pkg/client/forward-transport.ts');
    return forwardTransport({ ...target, keepsConnections: false }).request(request);
  };
}

/** Asks in the server's own name: whether anybody may is for people to decide. */
async function readiness(handle: ApiHandler): Promise<string | undefined> {
  const { signal } = new AbortController();
  const { status, body } = await handle({
    method: 'GET',
    path: '/readyz',
    query: '',
    headers: {},
    peer: { address: '', certificate: ownIdentity },
    signal,
  });
  if (status === 200) return undefined;
  return body.kind === 'bytes' ? Buffer.from(body.bytes).toString('utf8') : `/readyz answered ${status}`;
}

interface Running {
  readonly server: LocalApi;
  readonly https: HttpsServer;
  /** What keeps objects about the server true. */
  readonly services: readonly Component[];
  readonly kubelets: KubeletConnections;
  readonly webhooks: WebhookCaller;
  readonly store: Store;
  readonly audit: RunningAudit | undefined;
}

async function runServer(
  { server, https, services, kubelets, webhooks, store, audit }: Running,
  signal: AbortSignal,
): Promise<void> {
  try {
    // Until clients are told to go elsewhere, those who come are answered.
    const serving = new AbortController();
    const keeping: Component = {
      run: (stopped) => runTogether(services, stopped).finally(() => serving.abort()),
    };
    await runTogether([keeping, { run: () => runTogether([server, https], serving.signal) }], signal);
  } finally {
    kubelets.close();
    webhooks.close();
    await audit?.end();
    await store.close();
  }
}

/** Connections to kubelets of other processes, found by what their nodes say. */
class KubeletConnections {
  readonly #options: ApiPartOptions;
  readonly #getNode: (name: string) => Promise<Node>;
  /** By address. */
  readonly #transports = new Map<string, ForwardTransport>();

  constructor(options: ApiPartOptions, getNode: (name: string) => Promise<Node>) {
    this.#options = options;
    this.#getNode = getNode;
  }

  handlerOf(nodeName: string): ApiHandler {
    return async (request) => {
      const url = await this.#urlOf(nodeName);
      if (url === undefined) {
        const bytes = Buffer.from(`no address is known for node ${nodeName}\n`);
        return { status: 503, headers: { 'content-type': 'text/plain' }, body: { kind: 'bytes', bytes } };
      }
      const transport = await this.#transport(url, nodeName);
      return transport.request(request);
    };
  }

  close(): void {
    for (const transport of this.#transports.values()) transport.close();
  }

  async #urlOf(nodeName: string): Promise<URL | undefined> {
    try {
      const { status } = await this.#getNode(nodeName);
      const address = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
      const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
      return address === undefined || port === undefined ? undefined : new URL(`https://${address}:${port}`);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #transport(url: URL, nodeName: string): Promise<ForwardTransport> {
    const key = `${nodeName} ${url.host}`;
    // Loaded here: a cluster of one process never needs it.
    const { forwardTransport } = await import('#pkg/client/forward-transport.ts');
    let transport = this.#transports.get(key);
    if (transport === undefined) {
      const { kubeletClient, clientCa } = this.#options;
      transport = forwardTransport({
        scheme: 'https',
        host: url.hostname,
        port: Number(url.port),
        ca: clientCa,
        cert: kubeletClient.certificate,
        key: kubeletClient.key,
        serverName: nodeName,
      });
      this.#transports.set(key, transport);
    }
    return transport;
  }
}
