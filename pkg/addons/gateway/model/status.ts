/** What the statuses of the objects say of a plan. Source: Gateway API reference, conditions of `GatewayClass`, `Gateway`, `Listener` and `HTTPRoute`. */
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import { setCondition } from '#pkg/apimachinery/conditions.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { GatewayClass, GatewayStatus, ListenerStatus, RouteParentStatus } from '../types.ts';
import { type ListenerPlan, listens } from './listeners.ts';
import { gatewayController, type PlannedGateway, type PlannedRoute } from './plan.ts';

/** Names of features, as upstream's conformance suite has them, in order. */
const supportedFeatures = [
  'Gateway',
  'GatewayPort8080',
  'HTTPRoute',
  'HTTPRouteBackendProtocolWebSocket',
  'HTTPRouteBackendTimeout',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestMirror',
  'HTTPRouteRequestMultipleMirrors',
  'HTTPRouteRequestPercentageMirror',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'ReferenceGrant',
];

type Told = readonly [type: string, isTrue: boolean, reason: string, message: string];

/** How a status comes to be: the conditions that were there keep the time of their last change where they still say the same. */
interface Telling {
  readonly generation: number;
  readonly now: string;
}

function tell(
  old: readonly Condition[] | undefined,
  all: readonly Told[],
  { generation, now }: Telling,
): readonly Condition[] {
  const types = new Set(all.map(([type]) => type));
  const kept: readonly Condition[] = (old ?? []).filter(({ type }) => types.has(type));
  return all.reduce(
    (list, [type, isTrue, reason, message]) =>
      setCondition(
        list,
        {
          type,
          status: isTrue ? 'True' : 'False',
          observedGeneration: generation,
          reason,
          message,
          lastTransitionTime: null,
        },
        now,
      ),
    kept,
  );
}

/** Of a class of ours. */
export function classStatus({ metadata, status }: GatewayClass, now: string): JsonObject {
  const told: Told = ['Accepted', true, 'Accepted', 'The gateway cares for this class'];
  return {
    conditions: tell(status?.conditions, [told], { generation: metadata?.generation ?? 0, now }),
    supportedFeatures: supportedFeatures.map((name) => ({ name })),
  };
}

/** Of a gateway; `addresses` are those of its Service, none while it has none. */
export function gatewayStatus(
  { gateway, listeners, attachedRoutes }: PlannedGateway,
  { addresses, now }: { readonly addresses: readonly string[]; readonly now: string },
): GatewayStatus {
  const { status, metadata } = gateway;
  const telling = { generation: metadata?.generation ?? 0, now };
  const accepted = listeners.filter(({ refused, conflict }) => refused === undefined && conflict === undefined);
  const wishesAddress = (gateway.spec.addresses ?? []).some(({ value }) => value !== undefined && value !== '');
  const invalid = accepted.length < listeners.length || listeners.some((one) => !listens(one));
  const acceptance: Told = wishesAddress
    ? ['Accepted', false, 'UnsupportedAddress', 'The gateway chooses addresses itself: leave spec.addresses out']
    : invalid
      ? ['Accepted', accepted.length > 0, 'ListenersNotValid', 'Some listeners are not valid: see their conditions']
      : ['Accepted', true, 'Accepted', 'The gateway is accepted'];
  const isReady = listeners.some(listens) && addresses.length > 0 && !wishesAddress;
  const programming: Told = isReady
    ? ['Programmed', true, 'Programmed', 'The proxy listens']
    : listeners.some(listens)
      ? ['Programmed', false, 'AddressNotAssigned', 'The gateway has no address yet']
      : ['Programmed', false, 'Invalid', 'No listener can be programmed'];
  return {
    addresses: addresses.map((value) => ({ type: 'IPAddress', value })),
    conditions: tell(status?.conditions, [acceptance, programming], telling),
    listeners: listeners.map((plan) => {
      const old = status?.listeners?.find(({ name }) => name === plan.listener.name);
      return listenerStatus(plan, { old, telling, attachedRoutes: attachedRoutes.get(plan.listener.name) ?? 0 });
    }),
  };
}

function listenerStatus(
  plan: ListenerPlan,
  more: { readonly old: ListenerStatus | undefined; readonly telling: Telling; readonly attachedRoutes: number },
): ListenerStatus {
  const { listener, refused, conflict, unresolved, supportedKinds } = plan;
  const problem = refused ?? conflict;
  const told: readonly Told[] = [
    problem === undefined
      ? ['Accepted', true, 'Accepted', 'The listener is accepted']
      : ['Accepted', false, problem.reason, problem.message],
    conflict === undefined
      ? ['Conflicted', false, 'NoConflicts', 'No other listener is in its way']
      : ['Conflicted', true, conflict.reason, conflict.message],
    unresolved === undefined
      ? ['ResolvedRefs', true, 'ResolvedRefs', 'All references lead somewhere']
      : ['ResolvedRefs', false, unresolved.reason, unresolved.message],
    listens(plan)
      ? ['Programmed', true, 'Programmed', 'The proxy listens']
      : ['Programmed', false, 'Invalid', 'The proxy does not listen: see the other conditions'],
  ];
  return {
    name: listener.name,
    supportedKinds,
    attachedRoutes: more.attachedRoutes,
    conditions: tell(more.old?.conditions, told, more.telling),
  };
}

/** Of a route: an entry for each of its references to gateways of ours, beside those of other controllers. */
export function routeParents({ route, plan, parents }: PlannedRoute, now: string): readonly RouteParentStatus[] {
  const old = route.status?.parents ?? [];
  const others = old.filter(({ controllerName }) => controllerName !== gatewayController);
  const telling = { generation: route.metadata?.generation ?? 0, now };
  const own = parents.map(({ ref, attached }): RouteParentStatus => {
    const problem =
      'refused' in attached
        ? attached.refused
        : plan.unsupported === undefined
          ? undefined
          : { reason: 'UnsupportedValue', message: plan.unsupported };
    const told: readonly Told[] = [
      problem === undefined
        ? ['Accepted', true, 'Accepted', 'The route is attached']
        : ['Accepted', false, problem.reason, problem.message],
      plan.unresolved === undefined
        ? ['ResolvedRefs', true, 'ResolvedRefs', 'All references lead somewhere']
        : ['ResolvedRefs', false, plan.unresolved.reason, plan.unresolved.message],
    ];
    const before = old.find((one) => one.controllerName === gatewayController && sameRef(one.parentRef, ref));
    return {
      parentRef: ref,
      controllerName: gatewayController,
      conditions: tell(before?.conditions, told, telling),
    };
  });
  return [...others, ...own];
}

function sameRef(a: RouteParentStatus['parentRef'], b: RouteParentStatus['parentRef']): boolean {
  return a.name === b.name && a.namespace === b.namespace && a.sectionName === b.sectionName && a.port === b.port;
}
