/** Gives the endpoints of a Service numbers from 0 on such that few of them change when one comes or goes. Pure. */

/** `now`, in which nothing is twice, in an order in which what was there keeps its place where there is still such a place; the others fill the gaps. */
export function assignSlots(previous: readonly string[], now: readonly string[]): readonly string[] {
  const wanted = new Set(now);
  const kept = now.map((_, index) => {
    const one = previous[index];
    return one !== undefined && wanted.delete(one) ? one : undefined;
  });
  const others = wanted.values();
  return kept.map((one) => one ?? others.next().value ?? '');
}
