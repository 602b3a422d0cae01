/** Refusals that more than one component must tell from faults. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** Whether a create failed because its namespace is going: no fault, and nothing to try again. */
export function isNamespaceTerminating(error: unknown): boolean {
  if (!(error instanceof StatusError)) return false;
  return error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true;
}

/**
 * How long the server asks to wait before the same request; undefined when it does not want it again, such as an eviction that a budget forbids.
 * Source: client-go `rest/request.go` `retryAfterSeconds`.
 */
export function retryAfterSeconds(response: ApiResponse, error: StatusError): number | undefined {
  const header = /^\d+$/.exec(response.headers['retry-after'] ?? '')?.[0];
  const asked = header === undefined ? error.status.details?.retryAfterSeconds : Number(header);
  if (response.status === 429) return asked;
  return response.status >= 500 && header !== undefined ? asked : undefined;
}
