/** The answer of what the API names but this server does not do yet: a clear refusal. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Scope } from './scope.ts';

/** Refuses with 501. */
export function notBuilt({ info, subject }: Scope): never {
  const what = `${subject.resource}/${info.subresource}`;
  throw new StatusError({
    code: 501,
    reason: 'MethodNotAllowed',
    message: `${what} is not implemented by this server`,
    details: { ...(subject.group === '' ? {} : { group: subject.group }), kind: subject.resource, name: info.name },
  });
}
