/** Errors of the server in kubectl's words. Source: kubectl `cmd/util/helpers.go`. */

import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { FlagProblem } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** A command line that is not as its subcommand needs it; where to read how it is called is said below it. */
export class UsageError extends UserError {}

/** The flags of `coxswain kubectl`, as the library of kubectl's flags says what is wrong with them. Source: spf13/pflag `errors.go`. */
export function flagMessage(problem: FlagProblem): string {
  const isShort = !('written' in problem) || !problem.written.startsWith('--');
  switch (problem.kind) {
    case 'unknown':
      return isShort
        ? `unknown shorthand flag: '${problem.written.slice(1)}' in ${problem.argument}`
        : `unknown flag: ${problem.written}`;
    case 'missing':
      return `flag needs an argument: ${isShort ? `'${problem.written.slice(1)}' in ${problem.argument}` : problem.written}`;
    case 'invalid':
      return `invalid argument ${JSON.stringify(problem.value)} for "${problem.flag}" flag: ${parseProblem(problem)}`;
  }
}

function parseProblem({ value, placeholder }: { readonly value: string; readonly placeholder: string }): string {
  const shown = JSON.stringify(value);
  if (placeholder === 'number') return `strconv.ParseInt: parsing ${shown}: invalid syntax`;
  if (placeholder === 'duration') {
    const unit = /^[-+]?(?:\d+(?:\.\d*)?(?:ms|[smh]))*\d+(?:\.\d*)?([^\d.]*)/.exec(value)?.[1];
    if (unit === undefined) return `time: invalid duration ${shown}`;
    return unit === ''
      ? `time: missing unit in duration ${shown}`
      : `time: unknown unit ${JSON.stringify(unit)} in duration ${shown}`;
  }
  return `strconv.ParseBool: parsing ${shown}: invalid syntax`;
}

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
  if (error instanceof Error) return error instanceof UserError ? error.message : `error: ${error.message}`;
  return `error: ${String(error)}`;
}
