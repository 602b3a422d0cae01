/** Which rule a request has. Source: Gateway API reference, `HTTPRouteRule` (precedence) and `HTTPRouteMatch`. */
import { compareHosts, hostMatches } from './hostnames.ts';
import type { CompiledMatch, ListenerTable, PortTable } from './table.ts';

/** What of a request rules look at. */
export interface RequestFacts {
  /** In lower case, without a port. */
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  /** With its values joined, if there are several; names in lower case. */
  header(name: string): string | undefined;
  readonly method: string;
  /** The first value of a parameter. */
  query(name: string): string | undefined;
}

/** The listener with the most specific hostname for a request. */
export function listenerFor(port: PortTable, host: string): ListenerTable | undefined {
  let best: ListenerTable | undefined;
  for (const listener of port.listeners) {
    if (!hostMatches(listener.hostname, host)) continue;
    if (best === undefined || compareHosts(listener.hostname, best.hostname) < 0) best = listener;
  }
  return best;
}

/** The first match of a listener that holds for a request. */
export function matchFor(listener: ListenerTable, request: RequestFacts): CompiledMatch | undefined {
  return listener.matches.find((match) => holds(match, request));
}

function holds({ hostname, path, method, headers, query }: CompiledMatch, request: RequestFacts): boolean {
  return (
    hostMatches(hostname, request.host) &&
    (path.type === 'Exact' ? request.path === path.value : isBelow(request.path, path.value)) &&
    (method === undefined || method === request.method) &&
    headers.every(({ name, value }) => request.header(name) === value) &&
    query.every(({ name, value }) => request.query(name) === value)
  );
}

/** Whether a path is a prefix or below it, element by element: `/a` has `/a` and `/a/b`, not `/ab`. A slash at the end of the prefix does not count. */
function isBelow(path: string, prefix: string): boolean {
  const plain = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path.startsWith(plain) && (path.length === plain.length || path[plain.length] === '/');
}

/** What decides between matches of different routes that are as specific as each other. */
export interface MatchOrigin {
  /** When the route was made. */
  readonly createdAt: string;
  /** `namespace/name` of the route. */
  readonly key: string;
  /** Place of the rule in its route. */
  readonly index: number;
}

/** Orders matches by precedence, the first one first. */
export function compareMatches(
  [a, from]: readonly [CompiledMatch, MatchOrigin],
  [b, other]: readonly [CompiledMatch, MatchOrigin],
): number {
  const exact = (match: CompiledMatch): number => (match.path.type === 'Exact' ? 0 : 1);
  const methods = (match: CompiledMatch): number => (match.method === undefined ? 1 : 0);
  return (
    compareHosts(a.hostname, b.hostname) ||
    exact(a) - exact(b) ||
    b.path.value.length - a.path.value.length ||
    methods(a) - methods(b) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length ||
    compareText(from.createdAt, other.createdAt) ||
    compareText(from.key, other.key) ||
    from.index - other.index
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
