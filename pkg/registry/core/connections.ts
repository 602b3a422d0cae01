/** What the subresources of the core group that connect have in common. */
import type { Verb } from '#pkg/api/resources.ts';
import type { GroupVersionKind } from '#pkg/apimachinery/object.ts';

/** A kind of core/v1. */
export function coreKind(kind: string): GroupVersionKind {
  return { group: '', version: 'v1', kind };
}

/** What can be asked of a proxy: every method, as its target likes. */
export const proxyVerbs: readonly Verb[] = ['create', 'delete', 'get', 'patch', 'update'];
