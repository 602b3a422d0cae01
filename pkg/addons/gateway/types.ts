/** The Gateway API's kinds as far as the gateway reads them: the wire forms, after defaults. Source: Gateway API reference, standard channel. */
import type { Condition, LabelSelector } from '#pkg/api/types/meta-v1.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';

/** The group of all of them. */
export const gatewayGroup = 'gateway.networking.k8s.io';

/** What says which controller cares for a class of gateways. */
export interface GatewayClass extends KubeObject {
  readonly spec: { readonly controllerName: string };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** A reference to an object of a core or other group, perhaps in another namespace. */
export interface ObjectRef {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
}

/** Where a gateway listens for one hostname. */
export interface GatewayListener {
  readonly name: string;
  readonly hostname?: string;
  readonly port: number;
  readonly protocol: string;
  readonly tls?: { readonly mode?: string; readonly certificateRefs?: readonly ObjectRef[] };
  readonly allowedRoutes?: {
    readonly namespaces?: { readonly from?: string; readonly selector?: LabelSelector };
    readonly kinds?: readonly { readonly group?: string; readonly kind: string }[];
  };
}

/** A gateway: listeners at an address. */
export interface Gateway extends KubeObject {
  readonly spec: {
    readonly gatewayClassName: string;
    readonly listeners: readonly GatewayListener[];
    readonly addresses?: readonly { readonly type?: string; readonly value?: string }[];
  };
  readonly status?: GatewayStatus;
}

/** What is known of a gateway. */
export interface GatewayStatus {
  readonly addresses?: readonly { readonly type: string; readonly value: string }[];
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly ListenerStatus[];
}

/** What is known of one of its listeners. */
export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

/** What a route wants to be attached to. */
export interface ParentRef extends ObjectRef {
  readonly sectionName?: string;
  readonly port?: number;
}

/** A name and what its value must be. */
export interface NamedMatch {
  readonly type?: string;
  readonly name: string;
  readonly value: string;
}

/** One set of conditions, all of which hold. */
export interface RouteMatch {
  readonly path?: { readonly type?: string; readonly value?: string };
  readonly headers?: readonly NamedMatch[];
  readonly queryParams?: readonly NamedMatch[];
  readonly method?: string;
}

/** What is done to headers. */
export interface HeaderChange {
  readonly set?: readonly { readonly name: string; readonly value: string }[];
  readonly add?: readonly { readonly name: string; readonly value: string }[];
  readonly remove?: readonly string[];
}

/** What takes the place of a path. */
export interface PathChange {
  readonly type: string;
  readonly replaceFullPath?: string;
  readonly replacePrefixMatch?: string;
}

/** Something that is done to a request or its answer. */
export interface RouteFilter {
  readonly type: string;
  readonly requestHeaderModifier?: HeaderChange;
  readonly responseHeaderModifier?: HeaderChange;
  readonly requestRedirect?: {
    readonly scheme?: string;
    readonly hostname?: string;
    readonly path?: PathChange;
    readonly port?: number;
    readonly statusCode?: number;
  };
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathChange };
  readonly requestMirror?: {
    readonly backendRef: ObjectRef & { readonly port?: number };
    readonly percent?: number;
    readonly fraction?: { readonly numerator: number; readonly denominator?: number };
  };
}

/** Where requests go, in what proportion. */
export interface RouteBackendRef extends ObjectRef {
  readonly port?: number;
  readonly weight?: number;
  readonly filters?: readonly RouteFilter[];
}

/** What is done with requests that match. */
export interface RouteRule {
  readonly name?: string;
  readonly matches?: readonly RouteMatch[];
  readonly filters?: readonly RouteFilter[];
  readonly backendRefs?: readonly RouteBackendRef[];
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string };
}

/** Rules for requests of hostnames. */
export interface HttpRoute extends KubeObject {
  readonly spec: {
    readonly parentRefs?: readonly ParentRef[];
    readonly hostnames?: readonly string[];
    readonly rules?: readonly RouteRule[];
  };
  readonly status?: { readonly parents?: readonly RouteParentStatus[] };
}

/** What has become of a route at one of its parents. */
export interface RouteParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/** Lets objects of other namespaces refer to objects of its own. */
export interface ReferenceGrant extends KubeObject {
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[];
  };
}

const versionOf = { group: gatewayGroup, version: 'v1' } as const;

/** Names the resource and its type. */
export const gatewayClasses: ResourceRef<GatewayClass> = {
  ...versionOf,
  resource: 'gatewayclasses',
  kind: 'GatewayClass',
  namespaced: false,
};
/** Names the resource and its type. */
export const gateways: ResourceRef<Gateway> = {
  ...versionOf,
  resource: 'gateways',
  kind: 'Gateway',
  namespaced: true,
};
/** Names the resource and its type. */
export const httpRoutes: ResourceRef<HttpRoute> = {
  ...versionOf,
  resource: 'httproutes',
  kind: 'HTTPRoute',
  namespaced: true,
};
/** Names the resource and its type. */
export const referenceGrants: ResourceRef<ReferenceGrant> = {
  group: gatewayGroup,
  version: 'v1beta1',
  resource: 'referencegrants',
  kind: 'ReferenceGrant',
  namespaced: true,
};
