/**
 * Who a pod of a stateful set is: its number gives it name, labels, host name and claims, and it keeps them when it is made anew. Pure.
 * Upstream counterpart: `stateful_set_utils.go`.
 */
import type { StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, Volume } from '#pkg/api/types/core-v1.ts';
import { statefulSets } from '#pkg/api/types/refs.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { revisionLabel } from '../common/revisions.ts';

const nameLabel = 'statefulset.kubernetes.io/pod-name';
const indexLabel = 'apps.kubernetes.io/pod-index';

/** The number of a pod of the set; undefined for a pod that is none of its. */
export function ordinalOf(pod: Pod, set: StatefulSet): number | undefined {
  const match = /^(.*)-([0-9]+)$/.exec(pod.metadata?.name ?? '');
  if (match === null || match[1] !== set.metadata?.name) return undefined;
  const ordinal = Number(match[2]);
  return ordinal < 2 ** 31 ? ordinal : undefined;
}

/** The number of the first pod. */
export function startOf({ spec }: StatefulSet): number {
  return spec?.ordinals?.start ?? 0;
}

/** How many pods the set is to have; 1 where it does not say. */
export function replicasOf({ spec }: StatefulSet): number {
  return spec?.replicas ?? 1;
}

/** Whether the set is to have a pod of that number. */
export function isInRange(ordinal: number, set: StatefulSet): boolean {
  return ordinal >= startOf(set) && ordinal < startOf(set) + replicasOf(set);
}

/** The name of the pod with that number. */
export function podName({ metadata }: StatefulSet, ordinal: number): string {
  return `${metadata?.name}-${ordinal}`;
}

/** Name of the revision that a pod was made from. */
export function revisionOf({ metadata }: Pod): string | undefined {
  return metadata?.labels?.[revisionLabel];
}

function identityLabels(set: StatefulSet, ordinal: number): Record<string, string> {
  return { [nameLabel]: podName(set, ordinal), [indexLabel]: String(ordinal) };
}

/** The claims of a pod by the names of their templates. */
export function claimsOf(set: StatefulSet, ordinal: number): ReadonlyMap<string, PersistentVolumeClaim> {
  const claims = new Map<string, PersistentVolumeClaim>();
  for (const template of set.spec?.volumeClaimTemplates ?? []) {
    const name = template.metadata?.name ?? '';
    const { labels, annotations, finalizers } = template.metadata ?? {};
    claims.set(name, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: `${name}-${set.metadata?.name}-${ordinal}`,
        namespace: set.metadata?.namespace ?? '',
        labels: { ...labels, ...set.spec?.selector.matchLabels },
        ...(annotations === undefined ? {} : { annotations }),
        ...(finalizers === undefined ? {} : { finalizers }),
      },
      ...(template.spec === undefined ? {} : { spec: template.spec }),
    });
  }
  return claims;
}

function volumesWithClaims(
  volumes: readonly Volume[] | undefined,
  set: StatefulSet,
  ordinal: number,
): readonly Volume[] {
  const claims = claimsOf(set, ordinal);
  const own: Volume[] = [...claims].map(([name, claim]) => ({
    name,
    persistentVolumeClaim: { claimName: claim.metadata?.name ?? '' },
  }));
  return [...own, ...(volumes ?? []).filter(({ name }) => !claims.has(name))];
}

/** A pod that is to be made. */
export interface NewPod {
  readonly ordinal: number;
  readonly template: PodTemplateSpec;
  /** Name of the template's revision. */
  readonly revision: string;
}

/** The pod of a number, from a template that need not be the set's current one. */
export function newPod(set: StatefulSet, { ordinal, template, revision }: NewPod): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const name = podName(set, ordinal);
  const volumes = volumesWithClaims(template.spec?.volumes, set, ordinal);
  const { serviceName } = set.spec ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      // It says nothing where there is a name, but upstream's pods of all workloads have it.
      generateName: `${set.metadata?.name}-`,
      namespace: set.metadata?.namespace ?? '',
      labels: { ...labels, ...identityLabels(set, ordinal), [revisionLabel]: revision },
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(set, statefulSets)],
    },
    spec: {
      ...template.spec!,
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      ...(volumes.length === 0 ? {} : { volumes }),
    },
  };
}

/** The pod with its identity; the very pod where nothing is missing. Volumes of a pod cannot change any more. */
export function withIdentity(pod: Pod, set: StatefulSet, ordinal: number): Pod {
  const wanted = identityLabels(set, ordinal);
  const { labels = {} } = pod.metadata ?? {};
  if (Object.entries(wanted).every(([key, value]) => labels[key] === value)) return pod;
  return { ...pod, metadata: { ...pod.metadata, labels: { ...labels, ...wanted } } };
}
