/** Names a request, and what sorted it, in its answer, so that what a client reports and what the server knows can be brought together. */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { AuditTrail } from './audit/audit-trail.ts';
import type { ServerCore } from './endpoints/scope.ts';
import type { Flow } from './flow/flow-control.ts';

/**
 * Adds them to an answer. Source: apiserver `endpoints/filters/audit_init.go`,
 * `server/filters/priority-and-fairness.go`.
 */
export function withIds(
  { random }: ServerCore,
  { headers: asked }: ApiRequest,
  {
    response,
    sizes,
    trail,
    flow,
  }: {
    readonly response: ApiResponse;
    readonly sizes: ApiResponse['sizes'];
    readonly trail: AuditTrail | undefined;
    readonly flow: Flow | undefined;
  },
): ApiResponse {
  const auditId = trail?.auditId ?? (asked['audit-id'] || random.uuid());
  const uids = flow?.uids;
  const headers =
    uids === undefined
      ? { ...response.headers, 'audit-id': auditId }
      : {
          ...response.headers,
          'audit-id': auditId,
          'x-kubernetes-pf-flowschema-uid': uids.schema,
          'x-kubernetes-pf-prioritylevel-uid': uids.level,
        };
  const named = { ...response, headers };
  return sizes === undefined ? named : { ...named, sizes };
}
