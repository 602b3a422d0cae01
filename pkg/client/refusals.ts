/** Refusals that more than one component must tell from faults. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** Whether a create failed because its namespace is going: no fault, and nothing to try again. */
export function isNamespaceTerminating(error: unknown): boolean {
  if (!(error instanceof StatusError)) return false;
  return error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true;
}
