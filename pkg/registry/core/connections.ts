/** What the subresources of the core group that connect have in common. */
import type { Verb } from '#pkg/api/resources.ts';
import type { GroupVersionKind } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** A kind of core/v1. */
export function coreKind(kind: string): GroupVersionKind {
  return { group: '', version: 'v1', kind };
}

/** What can be asked of a proxy: every method, as its target likes. */
export const proxyVerbs: readonly Verb[] = ['create', 'delete', 'get', 'patch', 'update'];

/** The error of a node whose kubelet cannot be reached. */
export function noConnection(nodeName: string): StatusError {
  return new StatusError({
    code: 503,
    reason: 'ServiceUnavailable',
    message: `no connection to the kubelet of node ${nodeName}`,
  });
}
