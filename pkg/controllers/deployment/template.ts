/** Pod templates: which replica set is the newest, and the hash that names it. Pure. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { deepEqual } from '../common/equal.ts';
import { timeMs } from '../common/pod.ts';

export const hashLabel = 'pod-template-hash';

/** Letters of hashes: no vowels, so no words. Source: apimachinery `rand.SafeEncodeString`. */
const hashAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name for a template; another one for each `collisionCount`. FNV-1a, 32 bits, over its JSON with sorted keys. */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  const text = `${canonical(bare(template))}${collisionCount ? `/${collisionCount}` : ''}`;
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  let name = '';
  for (const digit of String(hash >>> 0)) name += hashAlphabet[digit.charCodeAt(0) % hashAlphabet.length];
  return name;
}

/** Whether two templates make the same pods, whatever hash they are labelled with. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return deepEqual(bare(a), bare(b));
}

/** Older first, by name at equal age. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const difference = timeMs(a.metadata?.creationTimestamp) - timeMs(b.metadata?.creationTimestamp);
  return difference || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}

/** The replica set of the Deployment's template: the oldest, should there be several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...sets].sort(byAge).find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
}

/** A template without its hash label and without what says nothing. */
function bare(template: PodTemplateSpec | undefined): unknown {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const { [hashLabel]: _, ...others } = labels ?? {};
  return { labels: others, annotations: annotations ?? {}, finalizers: finalizers ?? [], spec: template?.spec ?? {} };
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}
