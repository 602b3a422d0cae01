/** Counts of a status as the API writes them: those that are nought are left out. */

/** The status without its noughts, but for `kept`: the counts that are always written, or that say something by being there. */
export function withoutNoughts<T extends object>(status: T, kept: readonly (keyof T)[]): T {
  const entries = Object.entries(status).filter(([name, value]) => value !== 0 || kept.includes(name as keyof T));
  return Object.fromEntries(entries) as T;
}
