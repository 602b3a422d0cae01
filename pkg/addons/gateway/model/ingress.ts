/** From Ingresses to what the proxy works by. Source: API reference, `IngressRule`, `HTTPIngressPath`, `IngressTLS`. */
import type { Secret } from '#pkg/api/types/core-v1.ts';
import type { Ingress, IngressBackend, IngressClass } from '#pkg/api/types/networking-v1.ts';
import type { BackendIndex } from './backends.ts';
import { pairOf } from './listeners.ts';
import { compareMatches, type MatchOrigin } from './match.ts';
import type { CertificatePair, CompiledMatch, CompiledRule, ListenerTable } from './table.ts';

/** Who cares for Ingresses of our class. */
export const ingressController = 'coxswain.dev/ingress-controller';

/** What Ingresses are read with. */
export interface IngressInputs {
  readonly ingresses: readonly Ingress[];
  readonly ingressClasses: readonly IngressClass[];
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly index: BackendIndex;
  isPair(certificate: string, key: string): boolean;
}

/** The listeners for Ingresses: all share one, and one with TLS where there are certificates. */
export interface IngressPlan {
  readonly http: ListenerTable;
  readonly https: ListenerTable | undefined;
  /** Those that are ours. */
  readonly ours: readonly Ingress[];
}

/** Compiles the Ingresses whose class is ours. */
export function planIngresses(inputs: IngressInputs): IngressPlan {
  const classes = new Set(
    inputs.ingressClasses
      .filter(({ spec }) => spec?.controller === ingressController)
      .map(({ metadata }) => metadata?.name ?? ''),
  );
  const ours = inputs.ingresses.filter((ingress) => classes.has(classOf(ingress)));
  const matches = ours
    .flatMap((ingress) => matchesOf(ingress, inputs.index))
    .sort(compareMatches)
    .map(([match]) => match);
  const certificates = ours.flatMap((ingress) => certificatesOf(ingress, inputs));
  const http = { hostname: '', certificates: [], matches };
  return { http, https: certificates.length === 0 ? undefined : { ...http, certificates }, ours };
}

/** The field, or the annotation that came before it. */
function classOf({ metadata, spec }: Ingress): string {
  return spec?.ingressClassName ?? metadata?.annotations?.['kubernetes.io/ingress.class'] ?? '';
}

function matchesOf(ingress: Ingress, index: BackendIndex): readonly (readonly [CompiledMatch, MatchOrigin])[] {
  const { metadata, spec } = ingress;
  const key = `${metadata?.namespace}/${metadata?.name}`;
  const rule = (backend: IngressBackend | undefined): CompiledRule =>
    ruleOf(backend, { key, namespace: metadata?.namespace ?? '', index });
  const found: (readonly [CompiledMatch, MatchOrigin])[] = [];
  const add = (match: Omit<CompiledMatch, 'headers' | 'method' | 'query'>): void => {
    const origin = { createdAt: metadata?.creationTimestamp ?? '', key, index: found.length };
    found.push([{ ...match, method: undefined, headers: [], query: [] }, origin]);
  };
  for (const { host = '', http } of spec?.rules ?? []) {
    for (const { path = '/', pathType, backend } of http?.paths ?? []) {
      const type = pathType === 'Exact' ? 'Exact' : 'PathPrefix';
      add({ hostname: host, path: { type, value: path === '' ? '/' : path }, rule: rule(backend) });
    }
  }
  if (spec?.defaultBackend !== undefined)
    add({ hostname: '', path: { type: 'PathPrefix', value: '/' }, rule: rule(spec.defaultBackend) });
  return found;
}

function ruleOf(
  backend: IngressBackend | undefined,
  { key, namespace, index }: { readonly key: string; readonly namespace: string; readonly index: BackendIndex },
): CompiledRule {
  const { name, port } = backend?.service ?? {};
  const found = name === undefined ? undefined : index.resolvePort(`${namespace}/${name}`, port ?? {});
  const endpoints = found !== undefined && 'endpoints' in found ? found.endpoints : undefined;
  const backends = [{ weight: 1, endpoints, filters: {} }];
  return { owner: key, filters: {}, backends, requestTimeoutMs: 0, backendTimeoutMs: 0 };
}

function certificatesOf({ metadata, spec }: Ingress, { secrets, isPair }: IngressInputs): readonly CertificatePair[] {
  return (spec?.tls ?? []).flatMap(({ hosts = [], secretName = '' }) => {
    const pair = pairOf(secrets.get(`${metadata?.namespace}/${secretName}`), hosts);
    return pair !== undefined && isPair(pair.certificate, pair.key) ? [pair] : [];
  });
}
