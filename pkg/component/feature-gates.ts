/** Features that are switched on by name, as `--feature-gates NAME=true,…` says it. */
import { UserError } from './user-error.ts';

/** Those that are on. `given`: words as the flag has them, or the text of it; of two about one feature the last counts. Throws `UserError` for what is none of `known`. */
export function featureGates(known: readonly string[], given: unknown): ReadonlySet<string> {
  const words = typeof given === 'string' ? given.split(',').filter((word) => word !== '') : given;
  const on = new Set<string>();
  for (const word of Array.isArray(words) ? words : []) {
    const [, name = '', value] = /^(\w+)=(true|false)$/.exec(String(word)) ?? [];
    if (!known.includes(name))
      throw new UserError(
        `--feature-gates: ${JSON.stringify(word)} is none of ${known.join(', ')} with =true or =false`,
      );
    if (value === 'true') on.add(name);
    else on.delete(name);
  }
  return on;
}
