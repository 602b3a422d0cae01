/** Which listeners of a gateway can be, with which certificates, and what their statuses say. Source: Gateway API reference, `Listener`, `ListenerConditionType`. */
import type { Secret } from '#pkg/api/types/core-v1.ts';
import { type Gateway, type GatewayListener, gatewayGroup, type ReferenceGrant } from '../types.ts';
import { isGranted } from './grants.ts';
import type { CertificatePair } from './table.ts';

/** A kind of route. */
interface RouteKind {
  readonly group: string;
  readonly kind: string;
}

/** What is found out about one listener before routes are looked at. */
export interface ListenerPlan {
  readonly listener: GatewayListener;
  readonly supportedKinds: readonly RouteKind[];
  /** Why it cannot be accepted. */
  readonly refused: Problem | undefined;
  /** With whom it is in conflict. */
  readonly conflict: Problem | undefined;
  /** Which of its references lead nowhere. */
  readonly unresolved: Problem | undefined;
  readonly certificates: readonly CertificatePair[];
}

/** A reason and a message of a condition. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** What listeners refer to. */
export interface ListenerInputs {
  /** By `namespace/name`. */
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly grants: readonly ReferenceGrant[];
  /** Whether a certificate and a key are such, and of each other. */
  isPair(certificate: string, key: string): boolean;
}

const httpRoute: RouteKind = { group: gatewayGroup, kind: 'HTTPRoute' };

/** Whether the proxy listens for it. */
export function listens({ refused, conflict, listener, certificates }: ListenerPlan): boolean {
  return refused === undefined && conflict === undefined && (listener.protocol === 'HTTP' || certificates.length > 0);
}

/** The listeners of a gateway, in their order. */
export function planListeners(gateway: Gateway, inputs: ListenerInputs): readonly ListenerPlan[] {
  const { listeners } = gateway.spec;
  return listeners.map((listener) => {
    const kinds = kindsOf(listener);
    const certificates = certificatesOf(gateway, listener, inputs);
    return {
      listener,
      supportedKinds: kinds.supported,
      refused: refusalOf(listener),
      conflict: conflictOf(listener, listeners),
      unresolved: kinds.problem ?? certificates.problem,
      certificates: certificates.pairs,
    };
  });
}

function refusalOf({ protocol, tls }: GatewayListener): Problem | undefined {
  if (protocol !== 'HTTP' && protocol !== 'HTTPS')
    return { reason: 'UnsupportedProtocol', message: `${protocol} is not supported: use HTTP or HTTPS` };
  if (protocol === 'HTTPS' && tls?.mode === 'Passthrough')
    return { reason: 'UnsupportedValue', message: 'tls.mode Passthrough is not supported' };
  return undefined;
}

function conflictOf(listener: GatewayListener, all: readonly GatewayListener[]): Problem | undefined {
  for (const other of all) {
    if (other === listener || other.port !== listener.port) continue;
    if (other.protocol !== listener.protocol)
      return { reason: 'ProtocolConflict', message: `The listener ${other.name} has another protocol on this port` };
    if ((other.hostname ?? '') === (listener.hostname ?? ''))
      return { reason: 'HostnameConflict', message: `The listener ${other.name} has this port and hostname too` };
  }
  return undefined;
}

function kindsOf({ allowedRoutes }: GatewayListener): {
  readonly supported: readonly RouteKind[];
  readonly problem?: Problem;
} {
  const asked = allowedRoutes?.kinds ?? [];
  if (asked.length === 0) return { supported: [httpRoute] };
  const isHttp = ({ group = gatewayGroup, kind }: { readonly group?: string; readonly kind: string }): boolean =>
    group === gatewayGroup && kind === 'HTTPRoute';
  const others = asked.filter((one) => !isHttp(one)).map(({ kind }) => kind);
  return {
    supported: asked.some(isHttp) ? [httpRoute] : [],
    ...(others.length === 0
      ? {}
      : { problem: { reason: 'InvalidRouteKinds', message: `Routes of kind ${others.join(', ')} are not supported` } }),
  };
}

function certificatesOf(
  gateway: Gateway,
  listener: GatewayListener,
  { secrets, grants, isPair }: ListenerInputs,
): { readonly pairs: readonly CertificatePair[]; readonly problem?: Problem } {
  if (listener.protocol !== 'HTTPS') return { pairs: [] };
  const own = gateway.metadata?.namespace ?? '';
  const pairs: CertificatePair[] = [];
  let problem: Problem | undefined;
  for (const { group = '', kind = 'Secret', namespace = own, name } of listener.tls?.certificateRefs ?? []) {
    const key = `${namespace}/${name}`;
    if (group !== '' || kind !== 'Secret') {
      problem ??= { reason: 'InvalidCertificateRef', message: `${kind} cannot hold a certificate` };
    } else if (
      !isGranted(grants, { group: gatewayGroup, kind: 'Gateway', namespace: own }, { group, kind, namespace, name })
    ) {
      problem ??= {
        reason: 'RefNotPermitted',
        message: `No ReferenceGrant of ${namespace} lets a Gateway of ${own} refer to Secret ${name}`,
      };
    } else {
      const pair = pairOf(secrets.get(key));
      if (pair !== undefined && isPair(pair.certificate, pair.key)) pairs.push(pair);
      else problem ??= { reason: 'InvalidCertificateRef', message: `Secret ${key} holds no certificate with its key` };
    }
  }
  if (pairs.length === 0) problem ??= { reason: 'InvalidCertificateRef', message: 'There is no certificate' };
  return { pairs, ...(problem === undefined ? {} : { problem }) };
}

/** What a Secret of type `kubernetes.io/tls` holds. */
export function pairOf(secret: Secret | undefined, hosts: readonly string[] = []): CertificatePair | undefined {
  const certificate = secret?.data?.['tls.crt'];
  const key = secret?.data?.['tls.key'];
  if (typeof certificate !== 'string' || typeof key !== 'string') return undefined;
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
  return { certificate: text(certificate), key: text(key), hosts };
}
