/** Hostnames of listeners, routes and requests. `''` stands for all, `*.example.com` for all with at least one label before the rest. */

/** Whether a request for `host` (lower case, without a port) is meant. */
export function hostMatches(pattern: string, host: string): boolean {
  if (pattern === '') return true;
  if (!pattern.startsWith('*.')) return pattern === host;
  return host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1;
}

/** The more specific of two patterns where one covers the other; undefined where they have nothing in common. */
export function intersectHosts(a: string, b: string): string | undefined {
  if (a === b || covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

function covers(wide: string, narrow: string): boolean {
  if (wide === '') return true;
  if (narrow === '' || !wide.startsWith('*.')) return false;
  if (!narrow.startsWith('*.')) return hostMatches(wide, narrow);
  return narrow.endsWith(wide.slice(1)) && narrow.length > wide.length;
}

/** Orders patterns, the most specific first: precise names, then wildcards by length, then all. */
export function compareHosts(a: string, b: string): number {
  const rank = (host: string): number => (host === '' ? 2 : host.startsWith('*.') ? 1 : 0);
  return rank(a) - rank(b) || b.length - a.length;
}
