/** Which routes are attached to which listeners, and why not. Source: Gateway API reference, `ParentReference`, `AllowedRoutes`, `RouteConditionReason`. */
import type { Namespace } from '#pkg/api/types/core-v1.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { type Gateway, type GatewayListener, gatewayGroup, type HttpRoute, type ParentRef } from '../types.ts';
import { intersectHosts } from './hostnames.ts';
import { type ListenerPlan, listens, type Problem } from './listeners.ts';

/** A listener that takes a route, for these hostnames. */
export interface Attachment {
  readonly listener: ListenerPlan;
  readonly hostnames: readonly string[];
}

/** What has become of one reference of a route to a gateway. */
export type Attached = { readonly to: readonly Attachment[] } | { readonly refused: Problem };

/** Whether a route's reference means this gateway. */
export function refersTo(route: HttpRoute, ref: ParentRef, gateway: Gateway): boolean {
  const { group = gatewayGroup, kind = 'Gateway', namespace = route.metadata?.namespace, name } = ref;
  return (
    group === gatewayGroup &&
    kind === 'Gateway' &&
    namespace === gateway.metadata?.namespace &&
    name === gateway.metadata?.name
  );
}

/** Attaches a route to the listeners of a gateway that its reference names. */
export function attach(
  {
    route,
    ref,
    namespace,
  }: { readonly route: HttpRoute; readonly ref: ParentRef; readonly namespace: Namespace | undefined },
  { gateway, listeners }: { readonly gateway: Gateway; readonly listeners: readonly ListenerPlan[] },
): Attached {
  const named = listeners.filter(
    ({ listener }) =>
      (ref.sectionName === undefined || listener.name === ref.sectionName) &&
      (ref.port === undefined || listener.port === ref.port),
  );
  if (named.length === 0)
    return { refused: { reason: 'NoMatchingParent', message: 'No listener of the gateway has this name and port' } };
  const open = named.filter(
    ({ listener, supportedKinds }) => supportedKinds.length > 0 && allows(listener, { gateway, route, namespace }),
  );
  if (open.length === 0)
    return {
      refused: { reason: 'NotAllowedByListeners', message: 'No listener allows routes of this kind and namespace' },
    };
  const to = open
    .map((listener) => ({ listener, hostnames: hostnamesOf(listener.listener, route) }))
    .filter(({ hostnames }) => hostnames.length > 0);
  if (to.length > 0) return { to };
  return {
    refused: { reason: 'NoMatchingListenerHostname', message: 'No listener has a hostname in common with the route' },
  };
}

/** The attachments that carry traffic. */
export function serving(attachments: readonly Attachment[]): readonly Attachment[] {
  return attachments.filter(({ listener }) => listens(listener));
}

function hostnamesOf({ hostname = '' }: GatewayListener, { spec }: HttpRoute): readonly string[] {
  const own = spec.hostnames ?? [];
  if (own.length === 0) return [hostname];
  return own.map((host) => intersectHosts(hostname, host)).filter((host) => host !== undefined);
}

function allows(
  { allowedRoutes }: GatewayListener,
  {
    gateway,
    route,
    namespace,
  }: { readonly gateway: Gateway; readonly route: HttpRoute; readonly namespace: Namespace | undefined },
): boolean {
  const { from = 'Same', selector } = allowedRoutes?.namespaces ?? {};
  if (from === 'All') return true;
  if (from === 'Same') return gateway.metadata?.namespace === route.metadata?.namespace;
  if (from !== 'Selector' || selector === undefined) return false;
  return compiledLabelSelector(selector).matches(namespace?.metadata?.labels);
}
