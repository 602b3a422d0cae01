/**
 * The gateway as a component: follows the objects, works out the plan at each change, gives the proxy its table, and writes what clients need to know into
 * the cluster: Services through which the proxy is reached, and statuses. What it has made before it knows from the cluster alone.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Service } from '#pkg/api/types/core-v1.ts';
import { endpointSlices, ingressClasses, ingresses, namespaces, secrets, services } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { entranceName, entranceService } from './entrance.ts';
import { type Entrance, type GatewayInputs, type GatewayPlan, keyOf, planGateways } from './model/plan.ts';
import { gatewayAnnotation, ingressOwner } from './model/pod-ports.ts';
import { classStatus, gatewayStatus, routeParents } from './model/status.ts';
import type { RoutingTable } from './model/table.ts';
import { gatewayClasses, gateways, httpRoutes, referenceGrants } from './types.ts';

/** Changes within this time are looked at together. */
const gatherMs = 50;
/** What the server refused is tried again after this time. */
const retryMs = 5_000;
/** Pairs of certificate and key whose check is remembered. */
const pairsMax = 1_000;

/** What it works with. */
export interface GatewayControllerOptions {
  readonly deps: ComponentDeps;
  /** Takes up a table; resolves once it is in force. */
  readonly proxy: { update(table: RoutingTable): Promise<void> };
  /** Where the proxy's pods and their Services are. */
  readonly namespace: string;
  /** The labels of the proxy's pods. */
  readonly selector: Readonly<Record<string, string>>;
  /** Called once the first table is in force. */
  onReady(): void;
}

/** The component. Its informers are those of `deps`, which whoever makes it runs. */
export function createGatewayController(options: GatewayControllerOptions): Component {
  return { run: (signal) => new GatewayController(options).run(signal) };
}

class GatewayController {
  readonly #options: GatewayControllerOptions;
  readonly #copies;
  readonly #isPair = rememberedPairs();
  #changed = new Deferred();

  constructor(options: GatewayControllerOptions) {
    this.#options = options;
    const { informers } = options.deps;
    const follow = <T extends KubeObject>(ref: ResourceRef<T>, select = {}): Informer<T> => {
      const informer = informers.informer(ref, select);
      const change = (): void => this.#changed.resolve();
      informer.addHandler({ added: change, updated: change, deleted: change });
      return informer;
    };
    this.#copies = {
      classes: follow(gatewayClasses),
      gateways: follow(gateways),
      routes: follow(httpRoutes),
      grants: follow(referenceGrants),
      ingresses: follow(ingresses),
      ingressClasses: follow(ingressClasses),
      services: follow(services),
      endpointSlices: follow(endpointSlices),
      secrets: follow(secrets, { fieldSelector: 'type=kubernetes.io/tls' }),
      namespaces: follow(namespaces),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { deps, proxy, onReady } = this.#options;
    const { clock, informers, log } = deps;
    signal.addEventListener('abort', () => this.#changed.resolve(), { once: true });
    if (!(await informers.synced(signal))) return;
    let isFirst = true;
    while (!signal.aborted) {
      this.#changed = new Deferred();
      const plan = planGateways(this.#inputs());
      await proxy.update(plan.table);
      if (isFirst) onReady();
      isFirst = false;
      let retry: { cancel(): void } | undefined;
      try {
        await this.#write(plan, signal);
      } catch (error) {
        if (signal.aborted) break;
        // What another wrote meanwhile comes by itself.
        if (!isConflict(error) && !isNotFound(error)) log.warn('Cannot write what has become of gateways', { error });
        retry = clock.setTimeout(() => this.#changed.resolve(), retryMs);
      }
      await this.#changed.promise;
      retry?.cancel();
      await sleep(clock, gatherMs, signal);
    }
  }

  #inputs(): GatewayInputs {
    const { classes, gateways: all, routes, grants, ...others } = this.#copies;
    return {
      classes: classes.lister.list(),
      gateways: all.lister.list(),
      routes: routes.lister.list(),
      grants: grants.lister.list(),
      ingresses: others.ingresses.lister.list(),
      ingressClasses: others.ingressClasses.lister.list(),
      services: others.services.lister.list(),
      endpointSlices: others.endpointSlices.lister.list(),
      secrets: others.secrets.lister.list(),
      namespaces: others.namespaces.lister.list(),
      ownNamespace: this.#options.namespace,
      isPair: this.#isPair,
    };
  }

  async #write(plan: GatewayPlan, signal: AbortSignal): Promise<void> {
    const addresses = await this.#writeServices(plan.entrances, signal);
    const now = timestamp(this.#options.deps.clock);
    for (const one of plan.classes) await this.#tell(gatewayClasses, one, classStatus(one, now), signal);
    for (const one of plan.gateways) {
      const status = gatewayStatus(one, { addresses: addresses.get(keyOf(one.gateway)) ?? [], now });
      await this.#tell(gateways, one.gateway, status, signal);
    }
    for (const one of plan.routes) {
      const parents = routeParents(one, now);
      if (parents.length > 0 || one.route.status !== undefined)
        await this.#tell(httpRoutes, one.route, { parents }, signal);
    }
    const ingress = (addresses.get(ingressOwner) ?? []).map((ip) => ({ ip }));
    for (const one of plan.ingresses.ours) await this.#tell(ingresses, one, { loadBalancer: { ingress } }, signal);
  }

  /** Makes the Services as they are to be, and takes away those of gateways that have gone. Gives their addresses by owner. */
  async #writeServices(
    entrances: readonly Entrance[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const { namespace, selector, deps } = this.#options;
    const resource = deps.client.resource(services);
    const there = this.#copies.services.lister.list(namespace).filter((one) => ownerOf(one) !== undefined);
    const wanted = new Set(entrances.map(({ owner }) => entranceName(owner)));
    for (const { metadata } of there)
      if (!wanted.has(metadata?.name ?? '')) await resource.delete(metadata?.name ?? '', { namespace, signal });
    const addresses = new Map<string, readonly string[]>();
    for (const entrance of entrances) {
      const service = entranceService(entrance, { namespace, selector });
      const name = entranceName(entrance.owner);
      let found = there.find(({ metadata }) => metadata?.name === name);
      if (found === undefined || !isAs(found, service)) {
        const patch = { type: 'apply', namespace, fieldManager: 'coxswain-gateway', force: true, signal } as const;
        found = await resource.patch(name, { ...service }, patch);
      }
      addresses.set(entrance.owner, found.spec?.clusterIPs ?? []);
    }
    return addresses;
  }

  async #tell<T extends KubeObject & { readonly status?: unknown }>(
    ref: ResourceRef<T>,
    object: T,
    status: object,
    signal: AbortSignal,
  ): Promise<void> {
    const old = new Map(Object.entries(object.status ?? {}));
    const isSame = Object.entries(status).every(([field, value]) => deepEqual(old.get(field), value));
    if (isSame) return;
    const { name = '', namespace, resourceVersion } = object.metadata ?? {};
    const place = ref.namespaced ? { namespace: namespace ?? '' } : {};
    const patch = { metadata: { resourceVersion }, status };
    await this.#options.deps.client
      .resource(ref)
      .patch(name, patch, { type: 'merge', subresource: 'status', signal, ...place });
  }
}

function ownerOf({ metadata }: Service): string | undefined {
  return metadata?.annotations?.[gatewayAnnotation];
}

/** Whether a Service has the ports that it is to have. */
function isAs({ spec }: Service, wanted: Service): boolean {
  const ports = (service: Service['spec']): readonly unknown[] =>
    (service?.ports ?? []).map(({ port, targetPort }) => [port, targetPort]);
  return deepEqual(ports(spec), ports(wanted.spec));
}

/** Whether a certificate and a key belong to each other; each pair is looked at once. */
function rememberedPairs(): (certificate: string, key: string) => boolean {
  const known = new Map<string, boolean>();
  return (certificate, key) => {
    const name = `${certificate}\n${key}`;
    let result = known.get(name);
    if (result === undefined) {
      if (known.size >= pairsMax) known.clear();
      result = isPair(certificate, key);
      known.set(name, result);
    }
    return result;
  };
}

function isPair(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
