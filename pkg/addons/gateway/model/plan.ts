/**
 * From the objects of a cluster to all that follows from them: what the proxy works by, the Services through which clients come, and the statuses. Pure:
 * the same objects give the same plan.
 */
import type { Namespace, Secret, Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import type { Ingress, IngressClass } from '#pkg/api/types/networking-v1.ts';
import type { Gateway, GatewayClass, HttpRoute, ParentRef, ReferenceGrant } from '../types.ts';
import { type Attached, attach, refersTo, serving } from './attach.ts';
import { BackendIndex } from './backends.ts';
import { type IngressPlan, planIngresses } from './ingress.ts';
import { type ListenerPlan, listens, planListeners } from './listeners.ts';
import { compareMatches, type MatchOrigin } from './match.ts';
import { ingressOwner, PodPorts } from './pod-ports.ts';
import { compileRoute, type RoutePlan } from './rules.ts';
import type { CompiledMatch, ListenerTable, PortTable, RoutingTable } from './table.ts';

/** Who cares for gateways of our classes. */
export const gatewayController = 'coxswain.dev/gateway-controller';

/** The objects. */
export interface GatewayInputs {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly routes: readonly HttpRoute[];
  readonly grants: readonly ReferenceGrant[];
  readonly ingresses: readonly Ingress[];
  readonly ingressClasses: readonly IngressClass[];
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly secrets: readonly Secret[];
  readonly namespaces: readonly Namespace[];
  /** Namespace of the Services through which clients come. */
  readonly ownNamespace: string;
  isPair(certificate: string, key: string): boolean;
}

/** One gateway of ours. */
export interface PlannedGateway {
  readonly gateway: Gateway;
  readonly listeners: readonly ListenerPlan[];
  /** Routes that are attached to each listener, by the listener's name. */
  readonly attachedRoutes: ReadonlyMap<string, number>;
}

/** One reference of a route to a gateway of ours. */
export interface PlannedParent {
  readonly ref: ParentRef;
  readonly attached: Attached;
}

/** One route with what it refers to. */
export interface PlannedRoute {
  readonly route: HttpRoute;
  readonly plan: RoutePlan;
  readonly parents: readonly PlannedParent[];
}

/** Through which ports clients come. */
export interface Entrance {
  /** `namespace/name` of a gateway, or `ingress`. */
  readonly owner: string;
  readonly ports: readonly { readonly port: number; readonly podPort: number }[];
}

/** All that follows. */
export interface GatewayPlan {
  readonly table: RoutingTable;
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly PlannedGateway[];
  readonly routes: readonly PlannedRoute[];
  readonly ingresses: IngressPlan;
  readonly entrances: readonly Entrance[];
}

/** Works it out. */
export function planGateways(inputs: GatewayInputs): GatewayPlan {
  const secrets = byKey(inputs.secrets);
  const namespaces = new Map(inputs.namespaces.map((one) => [one.metadata?.name ?? '', one]));
  const index = new BackendIndex(inputs);
  const classes = inputs.classes.filter(({ spec }) => spec.controllerName === gatewayController);
  const ourClasses = new Set(classes.map(({ metadata }) => metadata?.name));
  const listenerInputs = { secrets, grants: inputs.grants, isPair: inputs.isPair };
  const gateways = [...inputs.gateways]
    .filter(({ spec }) => ourClasses.has(spec.gatewayClassName))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .map((gateway) => ({ gateway, listeners: planListeners(gateway, listenerInputs) }));
  const routes = inputs.routes.map((route): PlannedRoute => {
    const namespace = namespaces.get(route.metadata?.namespace ?? '');
    const parents = (route.spec.parentRefs ?? []).flatMap((ref) =>
      gateways
        .filter(({ gateway }) => refersTo(route, ref, gateway))
        .map((target) => ({ ref, attached: attach({ route, ref, namespace }, target) })),
    );
    return { route, parents, plan: compileRoute(route, index) };
  });
  const planned = gateways.map((one) => ({ ...one, attachedRoutes: countRoutes(one.listeners, routes) }));
  const ingresses = planIngresses({ ...inputs, secrets, index });
  return {
    classes,
    gateways: planned,
    routes,
    ingresses,
    ...portsOf(inputs, { gateways: planned, routes, ingresses }),
  };
}

/** `namespace/name`. */
export function keyOf({
  metadata,
}: {
  readonly metadata?: { readonly namespace?: string; readonly name?: string };
}): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

function byKey<T extends Secret>(objects: readonly T[]): ReadonlyMap<string, T> {
  return new Map(objects.map((object) => [keyOf(object), object]));
}

function attachmentsOf({ parents, plan }: PlannedRoute) {
  if (plan.unsupported !== undefined) return [];
  return parents.flatMap(({ attached }) => ('to' in attached ? attached.to : []));
}

/** A route counts once for a listener, however many of its references lead there. */
function countRoutes(listeners: readonly ListenerPlan[], routes: readonly PlannedRoute[]): ReadonlyMap<string, number> {
  return new Map(
    listeners.map((listener) => [
      listener.listener.name,
      routes.filter((route) => attachmentsOf(route).some((one) => one.listener === listener)).length,
    ]),
  );
}

function portsOf(
  { services, ownNamespace }: GatewayInputs,
  { gateways, routes, ingresses }: Pick<GatewayPlan, 'gateways' | 'ingresses' | 'routes'>,
): Pick<GatewayPlan, 'entrances' | 'table'> {
  const podPorts = new PodPorts(services.filter(({ metadata }) => metadata?.namespace === ownNamespace));
  const tables = new Map<number, PortTable>();
  const entrances: Entrance[] = [];
  const enter = (owner: string, found: readonly PortTable[]): void => {
    const ports: Entrance['ports'][number][] = [];
    for (const table of found) {
      const podPort = podPorts.portFor(owner, table.clientPort);
      if (podPort === undefined) continue;
      tables.set(podPort, table);
      ports.push({ port: table.clientPort, podPort });
    }
    if (ports.length > 0) entrances.push({ owner, ports });
  };
  const matches = matchesByListener(routes);
  for (const { gateway, listeners } of gateways) enter(keyOf(gateway), gatewayPorts(listeners, matches));
  const { http, https } = ingresses;
  const secure: readonly PortTable[] =
    https === undefined ? [] : [{ protocol: 'HTTPS', clientPort: 443, listeners: [https] }];
  enter(ingressOwner, [{ protocol: 'HTTP', clientPort: 80, listeners: [http] }, ...secure]);
  return { table: { ports: tables }, entrances };
}

function gatewayPorts(
  listeners: readonly ListenerPlan[],
  matches: ReadonlyMap<ListenerPlan, readonly CompiledMatch[]>,
): readonly PortTable[] {
  const byPort = new Map<number, { readonly protocol: 'HTTP' | 'HTTPS'; readonly tables: ListenerTable[] }>();
  for (const plan of listeners) {
    if (!listens(plan)) continue;
    const { port, protocol, hostname = '' } = plan.listener;
    const table = { hostname, certificates: plan.certificates, matches: matches.get(plan) ?? [] };
    const known = byPort.get(port);
    if (known !== undefined) known.tables.push(table);
    else byPort.set(port, { protocol: protocol === 'HTTPS' ? 'HTTPS' : 'HTTP', tables: [table] });
  }
  return [...byPort].map(([clientPort, { protocol, tables }]) => ({ protocol, clientPort, listeners: tables }));
}

function matchesByListener(routes: readonly PlannedRoute[]): ReadonlyMap<ListenerPlan, readonly CompiledMatch[]> {
  const all = new Map<ListenerPlan, (readonly [CompiledMatch, MatchOrigin])[]>();
  for (const planned of routes) {
    const { metadata } = planned.route;
    for (const { listener, hostnames } of serving(attachmentsOf(planned))) {
      const found = all.get(listener) ?? [];
      all.set(listener, found);
      for (const hostname of hostnames)
        for (const [index, { rule, matches }] of planned.plan.rules.entries())
          for (const match of matches) {
            const origin = { createdAt: metadata?.creationTimestamp ?? '', key: keyOf(planned.route), index };
            found.push([{ ...match, hostname, rule }, origin]);
          }
    }
  }
  return new Map([...all].map(([listener, found]) => [listener, found.sort(compareMatches).map(([match]) => match)]));
}
