/** Errors of the server in kubectl's words. Source: kubectl `cmd/util/helpers.go`. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** One message for standard error; `doing` says on what, such as `error when creating "file.yaml"`. */
export function serverError(error: StatusError, doing?: string): string {
  if (error.reason === 'Invalid') return invalid(error);
  const reason = error.reason === '' ? '' : ` (${error.reason})`;
  return `Error from server${reason}: ${doing === undefined ? '' : `${doing}: `}${error.message}`;
}

function invalid(error: StatusError): string {
  const { details } = error.status;
  if (details === undefined) return `The request is invalid: ${error.message}`;
  const lead = details.name
    ? `The ${details.kind ?? 'object'} "${details.name}" is invalid`
    : `The ${details.kind ?? 'request'} is invalid`;
  const causes = (details.causes ?? []).map(
    (cause) => `${cause.field ? `${cause.field}: ` : ''}${cause.message ?? ''}`,
  );
  const unique = [...new Set(causes)];
  if (unique.length === 0) return `${lead}: ${error.message}`;
  return unique.length === 1 ? `${lead}: ${unique[0]}` : `${lead}: \n${unique.map((cause) => `* ${cause}`).join('\n')}`;
}

/** The message of any error for standard error. */
export function messageOf(error: unknown): string {
  if (error instanceof StatusError) return serverError(error);
  if (error instanceof Error) return error.name === 'UserError' ? error.message : `error: ${error.message}`;
  return `error: ${String(error)}`;
}
