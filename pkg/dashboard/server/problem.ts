/** Errors as the page is told them: the API server's own with their reasons and causes, those for people as they are, and of faults of the program no more than that. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { Problem } from '../model/protocol.ts';

/** The status code and what is said. */
export function problemOf(error: unknown): { readonly status: number; readonly problem: Problem } {
  if (error instanceof StatusError) {
    const causes = (error.status.details?.causes ?? []).map(({ field = '', message = '' }) => ({ field, message }));
    const { code, reason, message } = error;
    return {
      status: code,
      problem: { message, ...(reason === '' ? {} : { reason }), ...(causes.length === 0 ? {} : { causes }) },
    };
  }
  if (error instanceof UserError) return { status: 422, problem: { message: error.message } };
  return {
    status: 500,
    problem: { message: 'the dashboard has failed to answer: its log says why', reason: 'InternalError' },
  };
}
