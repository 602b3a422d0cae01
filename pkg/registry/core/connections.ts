/** What the subresources of the core group that connect have in common. */
import type { Verb } from '#pkg/api/resources.ts';
import type { GroupVersionKind, JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { type Scope, strategyContext } from '#pkg/apiserver/endpoints/scope.ts';

/** A kind of core/v1. */
export function coreKind(kind: string): GroupVersionKind {
  return { group: '', version: 'v1', kind };
}

/** What can be asked of a proxy: every method, as its target likes. */
export const proxyVerbs: readonly Verb[] = ['create', 'delete', 'get', 'patch', 'update'];

/** Asks the plugins about a connection. `draft` has the options of its `kind`. */
export async function admitConnection(scope: Scope, kind: string, draft: JsonObject): Promise<void> {
  const { core, info } = scope;
  const attributes = {
    operation: 'CONNECT',
    group: '',
    version: 'v1',
    resource: info.resource,
    subresource: info.subresource,
    kind,
    namespace: info.namespace,
    name: info.name,
    draft: { kind, apiVersion: 'v1', ...draft },
    old: undefined,
  } as const;
  const context = strategyContext(scope, false);
  await core.admission.admit(attributes, context);
  await core.admission.validate(attributes, context);
}

/** The error of a node whose kubelet cannot be reached. */
export function noConnection(nodeName: string): StatusError {
  return new StatusError({
    code: 503,
    reason: 'ServiceUnavailable',
    message: `no connection to the kubelet of node ${nodeName}`,
  });
}
