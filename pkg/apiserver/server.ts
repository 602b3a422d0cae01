/**
 * The API server as a function: requests in, answers out, over a store. No sockets: `pkg/serving` adapts it for the network.
 *
 * Order of a request: parse -> authenticate -> authorize -> find the resource -> read the body, once there is room for it -> count in flight ->
 * handler (decode, admit, validate, store). Whatever is thrown on the way is answered with a Status. Upstream counts before it
 * authorizes; here who may not ask takes neither a place nor memory from those who may.
 * Upstream counterpart: apiserver `server/config.go` `DefaultBuildHandlerChain`, `endpoints/installer.go`.
 */

import { setMaxListeners } from 'node:events';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { aborted } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { MetricFamily } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import { countFeatures, type Features, featuresOf } from '#pkg/component/feature-gates.ts';
import type { AboutComponent } from '#pkg/component/zpages.ts';
import type { Store } from '#pkg/storage/store.ts';
import { createStoreFeed } from '#pkg/storage/store-feed.ts';
import { AdmissionChain } from './admission/chain.ts';
import type { Aggregation } from './aggregation.ts';
import { type Auditing, Auditor } from './audit/auditor.ts';
import type { Authenticator } from './authn/authenticator.ts';
import type { BearerTokens } from './authn/bearer-tokens.ts';
import { type Authorizer, mastersOr } from './authz/authorizer.ts';
import { bootstrap } from './bootstrap.ts';
import { builtInDefinitions } from './built-in.ts';
import { Catalog } from './catalog.ts';
import type { ResourceDefinition } from './definition.ts';
import type { DocumentProviderFactory } from './documents.ts';
import type { NetworkTarget, OwnPages, ServerCore } from './endpoints/scope.ts';
import type { FaultPoint } from './fault-point.ts';
import type { FlowControl } from './flow/flow-control.ts';
import { type ApiServerLimits, InFlight } from './flow/in-flight.ts';
import { follow, peek } from './follow.ts';
import type { FollowSink, NamedObject } from './follow-sink.ts';
import type { Page, TextPage } from './non-resource.ts';
import { createPipeline } from './pipeline.ts';
import { registryReader } from './reader.ts';
import { ServerCounts } from './server-counts.ts';
import { convertedFeed, convertedKeeper } from './storage/converted-objects.ts';
import { objectCodec } from './storage/object-codec.ts';
import { OpenCaches } from './storage/open-caches.ts';
import { ResourceStore } from './storage/resource-store.ts';
import type { AdmissionPlugin, RegistryReader, Strategy } from './strategy.ts';
import { keepCompacting } from './upkeep.ts';

/** What a server is made of. */
export interface ApiServerOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** What connections go by, where the cluster's time is not that of the world around it. Default: `clock`. */
  readonly networkClock?: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The rules of the API's own resources. */
  readonly strategies: readonly Strategy[];
  /** Resources that are served beside the API's own. */
  readonly definitions?: readonly ResourceDefinition[];
  /** In order. */
  readonly admission: readonly AdmissionPlugin[];
  /** Tried in order. Who none of them knows is anonymous. */
  readonly authenticators: readonly Authenticator[];
  /** Tried after them, and asked when a token is reviewed. */
  readonly tokens?: BearerTokens;
  /** Whether requests without credentials are somebody's, `system:anonymous`. Default true. */
  readonly allowsAnonymous?: boolean;
  /** Documents by path, beside those of the API itself. */
  readonly pages?: Readonly<Record<string, Page>>;
  /** Texts by path that are made when they are asked for. Default none. */
  readonly texts?: Readonly<Record<string, TextPage>>;
  readonly authorizer: Authorizer;
  /** The connection to a node's kubelet, for logs; undefined for a node that is not known. */
  readonly kubelet?: (nodeName: string) => ApiHandler | undefined;
  /** The connection to a server on the network of pods, for proxies. Default none. */
  readonly reach?: (target: NetworkTarget) => ApiHandler;
  /** What is served beyond the default, such as `{ 'api/all': true }`. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  readonly documents?: DocumentProviderFactory;
  /** Groups that other servers answer for. Default none. */
  readonly aggregation?: Aggregation;
  /** Decides when requests are worked on. Default: as many at once as `limits` says, in the order in which they come. */
  readonly flowControl?: FlowControl;
  /** Of the default flow control. */
  readonly limits?: ApiServerLimits;
  /** Which requests are audited, and where the events go. Default: none. */
  readonly audit?: Auditing;
  /** What goes wrong on demand. Default: nothing, and nobody can ask for it. */
  readonly faults?: FaultPoint | undefined;
  /** Pages of what only some servers have. Default: none. */
  readonly ownPages?: OwnPages | undefined;
  /** Which features are on. Default: as in 1.36. */
  readonly features?: Features;
  /** What the server's process uses, for its metrics. Default: nothing is told of it. */
  readonly processMetrics?: () => readonly MetricFamily[];
  /** What `/statusz` and `/flagz` tell. Default: a server without flags, from now on. */
  readonly about?: AboutComponent;
}

interface FollowSubject {
  readonly group: string;
  readonly resource: string;
}

/** The definitions that a running server has. */
export type ServedDefinitions = Pick<
  Catalog,
  'add' | 'expected' | 'generation' | 'holderOf' | 'list' | 'remove' | 'replace'
>;

/** A server that has been made; nothing runs before `run` or `ready`. */
export interface ApiServer {
  /** Never throws. */
  readonly handle: ApiHandler;
  /** Makes the objects that have to exist, then serves until `signal` is aborted and all caches and watches have ended. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once the objects that have to exist do. */
  ready(): Promise<void>;
  /** What is served, to which definitions can be added and from which they can be removed at any time. */
  readonly resources: ServedDefinitions;
  /** Tells `sink` of all objects of a resource from now on, until the server stops. Resolves once it knows of those that there are. */
  follow<T extends KubeObject>(resource: ResourceRef<T>, sink: FollowSink<T>): Promise<void>;
  /** The objects of a resource as they are now, none of which is decoded before somebody looks at it; `changed` is told once that they are not so any more. */
  peek(resource: FollowSubject, changed: () => void): Promise<readonly NamedObject[]>;
  /** Reads the server's own objects, past authorization. */
  readonly reader: RegistryReader;
}

/** What is served at the start. */
function createCatalog(
  { store, clock: own, networkClock: clock = own, ...options }: ApiServerOptions,
  caches: OpenCaches,
): Catalog {
  const storeFeed = createStoreFeed({ store, codec: objectCodec, clock });
  return new Catalog({
    definitions: [
      ...builtInDefinitions({ strategies: options.strategies, runtimeConfig: options.runtimeConfig ?? {} }),
      ...(options.definitions ?? []),
    ],
    openStore: ({ namespaced, keeping, remote, ...subject }) =>
      new ResourceStore({
        subject,
        namespaced,
        keeping,
        caches,
        ...(remote === undefined
          ? { store, storeFeed }
          : { store: convertedKeeper(store, remote), storeFeed: convertedFeed(storeFeed, remote) }),
      }),
  });
}

/** Makes the objects that have to exist and tells plugins of those that there are. */
async function begin(
  core: ServerCore,
  options: ApiServerOptions,
  tell: (resource: FollowSubject, sink: FollowSink) => Promise<void>,
): Promise<void> {
  const told = options.admission.flatMap(({ follows = [] }) => follows);
  await Promise.all([bootstrap(core, options.strategies), ...told.map(({ resource, sink }) => tell(resource, sink))]);
}

/** Makes the server. Throws a `DefinitionError` where two definitions contradict each other. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { store, clock, random, log, networkClock = clock } = options;
  const stopping = new AbortController();
  // Every watch listens for the end.
  setMaxListeners(0, stopping.signal);
  const caches = new OpenCaches({ store, clock: networkClock, log });
  const catalog = createCatalog(options, caches);
  const reader = registryReader(() => catalog);
  const counts = new ServerCounts(networkClock);
  const features = options.features ?? featuresOf([]);
  countFeatures(counts.metrics, features);
  const core: ServerCore = {
    catalog,
    clock,
    networkClock,
    random,
    log,
    reader,
    admission: new AdmissionChain(options.admission, { reader, counts }),
    counts,
    authenticators: [...options.authenticators, ...(options.tokens === undefined ? [] : [options.tokens])],
    tokens: options.tokens,
    allowsAnonymous: options.allowsAnonymous ?? true,
    authorizer: mastersOr(options.authorizer),
    kubelet: options.kubelet,
    reach: options.reach,
    aggregation: options.aggregation,
    faults: options.faults,
    ownPages: options.ownPages,
    features,
    stopping: stopping.signal,
  };
  const tell = (resource: FollowSubject, sink: FollowSink): Promise<void> =>
    follow({ catalog, resource, sink, clock: networkClock, signal: stopping.signal });
  let started: Promise<void> | undefined;
  let isReady = false;
  const ready = (): Promise<void> => {
    started ??= begin(core, options, tell).then(
      () => {
        isReady = true;
      },
      (error: unknown) => {
        // A server that cannot begin leaves nothing running behind it.
        stopping.abort();
        caches.closeAll();
        throw error;
      },
    );
    return started;
  };
  const handle = pipelineOf(core, options, () => isReady);
  return {
    handle,
    ready,
    resources: catalog,
    reader,
    follow: tell,
    peek: (resource, changed) => peek({ catalog, resource, signal: stopping.signal }, changed),
    async run(signal) {
      await ready();
      const compacting = keepCompacting(core, store, signal);
      await aborted(signal);
      stopping.abort();
      await compacting;
      caches.closeAll();
    },
  };
}

function flowControlOf({ counts }: ServerCore, { flowControl, limits }: ApiServerOptions): FlowControl {
  const chosen: FlowControl = flowControl ?? new InFlight(limits ?? {});
  chosen.serve?.({ metrics: counts.metrics, watches: counts.watchCounts });
  return chosen;
}

/** The function that answers, with the documents and pages of its options. */
function pipelineOf(core: ServerCore, options: ApiServerOptions, isReady: () => boolean): ApiHandler {
  const { audit } = options;
  const { guard } = options.store;
  if (guard !== undefined) core.counts.metrics.collect('encryption', () => guard.metrics.families());
  if (audit !== undefined) core.counts.metrics.collect('audit', () => audit.metrics.families());
  return createPipeline(core, {
    auditor: audit === undefined ? undefined : new Auditor(audit, core),
    pages: options.pages ?? {},
    texts: options.texts ?? {},
    documents: options.documents?.(core.catalog, options.aggregation),
    flowControl: flowControlOf(core, options),
    processMetrics: options.processMetrics ?? (() => []),
    about: options.about ?? { name: 'kube-apiserver', startedMs: core.clock.nowMs(), flags: {} },
    isReady,
    store: options.store,
  });
}
