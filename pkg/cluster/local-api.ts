/**
 * The API server of a cluster as a function over its store: what `up`, its process and every cluster for tests have in common. It opens no
 * sockets (`api-part.ts` does) and does not close the store.
 */

import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Auditing } from '#pkg/apiserver/audit/auditor.ts';
import { mastersOr } from '#pkg/apiserver/authz/authorizer.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import type { NetworkTarget } from '#pkg/apiserver/endpoints/scope.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '#pkg/apiserver/server.ts';
import type { AdmissionPlugin, Strategy } from '#pkg/apiserver/strategy.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import type { Component } from '#pkg/component/component.ts';
import type { Features } from '#pkg/component/feature-gates.ts';
import type { OptionalParts } from '#pkg/registry/admission/optional/table.ts';
import { createRegisteredAdmission, type RegisteredAdmission } from '#pkg/registry/admission/registered/registered.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { createCustomResources } from '#pkg/registry/apiextensions/custom-resources.ts';
import { Aggregator } from '#pkg/registry/apiregistration/aggregator.ts';
import { type AvailabilityOptions, createAvailability } from '#pkg/registry/apiregistration/availability.ts';
import { createRegistration, type RegistrationOptions } from '#pkg/registry/apiregistration/registration.ts';
import type { ConnectRemote } from '#pkg/registry/apiregistration/remote-connection.ts';
import { storageVersionDefinition } from '#pkg/registry/apiserverinternal/storage-version.ts';
import { issuerPages } from '#pkg/registry/authentication/discovery.ts';
import type { ServiceAccountIssuer } from '#pkg/registry/authentication/service-account-issuer.ts';
import { createTokenUses } from '#pkg/registry/authentication/token-uses.ts';
import {
  type Authorization,
  type AuthorizerChoice,
  createAuthorization,
} from '#pkg/registry/authorization/authorization.ts';
import type { Grant } from '#pkg/registry/rbac/policy/default-policy.ts';
import { type CallWebhook, noWebhooks } from '#pkg/registry/remote/call-webhook.ts';
import { createStrategies, definitions } from '#pkg/registry/table.ts';
import type { Store } from '#pkg/storage/store.ts';
import type { AdmissionSettings } from './admission-flags.ts';
import { type AuthenticationSettings, createAuthentication } from './authentication.ts';
import { numberClaims } from './number-claims.ts';
import { servesStorageVersions } from './on-demand-grants.ts';
import { type RequestSettings, requestRoom } from './request-room.ts';
import { serviceAddresses } from './service-addresses.ts';

/** What differs between the API servers of a cluster, of a process and of a test. */
export interface LocalApiOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What connections and certificates go by. Default: `clock`. */
  readonly networkClock?: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Range of the Services' cluster IPs. Default: upstream's. */
  readonly serviceCidr?: string;
  /** Port that the Service `kubernetes` leads to. Default 6443. */
  readonly port?: number;
  /** Where it is reached, for those who check tokens by themselves. Default 127.0.0.1. */
  readonly address?: string;
  /** How users are known. */
  readonly authentication?: AuthenticationSettings;
  /** Resources beside those of the table of API facts. Default: all that there are. */
  readonly definitions?: readonly ResourceDefinition[];
  /** Before what users have registered. Default: all that there are. */
  readonly admission?: readonly AdmissionPlugin[];
  /** What people say of admission. Default: nothing. */
  readonly admissionSettings?: AdmissionSettings;
  /** Who decides what users may do, in order. Default: `Node` and `RBAC`. */
  readonly authorizationModes?: readonly AuthorizerChoice[];
  /** What is granted beside the default roles and bindings. */
  readonly grants?: readonly Grant[];
  /** Kubelets of other processes. */
  readonly kubeletElsewhere?: (nodeName: string) => ApiHandler | undefined;
  /** Servers on the network of pods, where there is one. */
  readonly reach?: (target: NetworkTarget) => ApiHandler;
  /** The connection to webhooks. Default none: asking one is an error. */
  readonly callWebhook?: CallWebhook;
  /** The connection to servers behind this one. Default none: APIServices that name a service are unavailable. */
  readonly connectRemote?: ConnectRemote;
  /** Whether an APIService is made for each group in a version that is served here. Default false: it costs a start thirty writes. */
  readonly registersGroups?: boolean;
  /** Which versions are served beyond the default (`--runtime-config`). Default: none. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  /** Name of the Lease by which the server is known. Default none: it tells nobody in which versions it stores objects. */
  readonly identity?: string;
  /** What is audited. Default: nothing. */
  readonly audit?: Auditing;
  /** How many requests are worked on at once, and whether by priority and fairness. Default: as upstream. */
  readonly requests?: RequestSettings;
  /** What goes wrong on demand. Default: nothing. */
  readonly faults?: ApiServerOptions['faults'];
  /** Pages of what only some servers have. Default: none. */
  readonly ownPages?: ApiServerOptions['ownPages'];
  /** Which features are on. Default: as in 1.36. */
  readonly features?: Features;
  /** What the process uses, and what it is: for the server's metrics and `/statusz`. */
  readonly process?: Pick<ApiServerOptions, 'about' | 'processMetrics'>;
}

/** `run` serves until it is aborted. */
export interface LocalApi extends Component {
  readonly handle: ApiHandler;
  /** Resolves once the objects that have to exist do. */
  ready(): Promise<void>;
  /** Kubelets of this process, by node: reached without the network; undefined for one that is no more. */
  addKubelet(nodeName: string, handle: ApiHandler | undefined): void;
  /** In the name of the server itself, for its own objects. */
  readonly client: Client;
}

const defaultAddress = '127.0.0.1';
const defaultPort = 6443;

/** User in whose name the server keeps its own objects. */
export const ownIdentity = { commonName: 'system:apiserver', organizations: ['system:masters'] };

const noRemotes: ConnectRemote = () => ({
  request: () => Promise.reject(new Error('no server can be reached from here')),
  close() {},
});

function pluginsOf(
  { admission, admissionSettings = { disabled: [] } }: LocalApiOptions,
  { authorizer, rbac }: Authorization,
  { plugins: registered }: RegisteredAdmission,
  parts: Omit<OptionalParts, 'authorizer'>,
): readonly AdmissionPlugin[] {
  if (admission !== undefined) return [...admission, ...registered];
  const { added, ...settings } = admissionSettings;
  return createAdmissionPlugins({
    ...settings,
    authorizer,
    registered,
    ...(added === undefined ? {} : { added: added({ ...parts, authorizer: mastersOr(authorizer) }) }),
    ...(rbac === undefined ? {} : { rights: rbac }),
  });
}

function strategiesOf(
  { store, grants, serviceCidr, port, features }: LocalApiOptions,
  {
    issuer,
    hasRoles,
    client,
  }: {
    readonly issuer: ServiceAccountIssuer;
    readonly hasRoles: boolean;
    /** Asked once the server is there. */
    readonly client: () => Client;
  },
): readonly Strategy[] {
  return createStrategies({
    warnsOfUnbuilt: true,
    numberClaims: numberClaims(store),
    addresses: serviceAddresses(client),
    servesUsage: true,
    issuer,
    ...(hasRoles ? { grants: grants ?? [] } : {}),
    scalesToZero: features?.isOn('HPAScaleToZero') ?? false,
    ...(serviceCidr === undefined ? {} : { serviceCidr }),
    ...(port === undefined ? {} : { apiServerPort: port }),
  });
}

/** What is served only where it is switched on, and is not in the table of API facts. */
function definitionsOnDemand({ runtimeConfig = {} }: LocalApiOptions): readonly ResourceDefinition[] {
  return servesStorageVersions(runtimeConfig) ? [storageVersionDefinition()] : [];
}

/** What keeps APIServices and StorageVersions true. */
function besideOf(
  { connectRemote, registersGroups, identity, runtimeConfig = {} }: LocalApiOptions,
  parts: AvailabilityOptions & RegistrationOptions,
): readonly Component[] {
  return [
    ...(connectRemote === undefined ? [] : [createAvailability(parts)]),
    ...(registersGroups === true ? [createRegistration(parts)] : []),
    ...(identity !== undefined && servesStorageVersions(runtimeConfig)
      ? [storageVersionsOnDemand(identity, parts)]
      : []),
  ];
}

/** Loaded by a server that tells of itself. */
function storageVersionsOnDemand(identity: string, parts: RegistrationOptions): Component {
  return {
    async run(signal) {
      const { createStorageVersions } = await import('./storage-versions.ts');
      await createStorageVersions({ ...parts, identity }).run(signal);
    },
  };
}

/** What the server is given as it is. */
function passedOn({
  process,
  faults,
  ownPages,
  audit,
  runtimeConfig,
  features,
}: LocalApiOptions): Partial<ApiServerOptions> {
  return {
    ...process,
    faults,
    ownPages,
    ...(audit === undefined ? {} : { audit }),
    ...(features === undefined ? {} : { features }),
    ...(runtimeConfig === undefined ? {} : { runtimeConfig }),
  };
}

/** Nothing happens before `run` or `ready`. */
export function localApi(options: LocalApiOptions): LocalApi {
  const { store, clock, networkClock = clock, random, log, port, kubeletElsewhere, reach } = options;
  const kubelets = new Map<string, ApiHandler>();
  const call = options.callWebhook ?? noWebhooks;
  const remote = { call, clock: networkClock };
  const authorization = createAuthorization(remote, options.authorizationModes);
  const { authorizer, rbac } = authorization;
  const aggregator = new Aggregator({ connect: options.connectRemote ?? noRemotes, clock: networkClock });
  const registered = createRegisteredAdmission(mastersOr(authorizer), call);
  const authentication = createAuthentication({ clock, networkClock }, options.authentication, call);
  const room = requestRoom(networkClock, options.requests);
  const server: ApiServer = createApiServer({
    store,
    clock,
    networkClock,
    random,
    log: log.with({ component: 'kube-apiserver' }),
    strategies: strategiesOf(options, {
      issuer: authentication.issuer,
      hasRoles: rbac !== undefined,
      client: () => client,
    }),
    definitions: [...(options.definitions ?? definitions), ...definitionsOnDemand(options)],
    admission: pluginsOf(options, authorization, registered, { remote, client: () => client }),
    authenticators: authentication.authenticators,
    tokens: authentication.tokens,
    allowsAnonymous: authentication.allowsAnonymous,
    pages: issuerPages(authentication.issuer, `${options.address ?? defaultAddress}:${port ?? defaultPort}`),
    authorizer,
    ...room.options,
    documents: createDocumentProvider,
    aggregation: aggregator,
    ...(reach === undefined ? {} : { reach }),
    ...passedOn(options),
    kubelet: (nodeName) => kubelets.get(nodeName) ?? kubeletElsewhere?.(nodeName),
  });
  const client: Client = createClient({
    transport: inProcessTransport(server.handle, ownIdentity),
    userAgent: 'kube-apiserver',
  });
  const webhooks = { call, reader: server.reader, clock: networkClock };
  const customResources = createCustomResources({ client, server, clock, random, log, webhooks });
  let started: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    started ??= (async () => {
      await server.ready();
      authentication.connect(server.reader, createTokenUses({ client, clock, log }));
      await authorization.connect(server);
      await room.connect(server);
      await registered.connect(server);
      await aggregator.connect(server);
      await customResources.start();
    })();
    return started;
  };
  return {
    handle: server.handle,
    client,
    ready,
    addKubelet: (name, handle) => void (handle === undefined ? kubelets.delete(name) : kubelets.set(name, handle)),
    async run(signal) {
      await ready();
      const own = { client, clock, networkClock, random, log };
      const beside = [...besideOf(options, { ...own, aggregator, served: server.resources }), ...room.keepers(own)];
      await Promise.all([server, customResources, ...beside].map((part) => part.run(signal)));
      aggregator.close();
    },
  };
}
