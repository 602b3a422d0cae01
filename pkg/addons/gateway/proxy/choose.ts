/** What is decided about a request before anything is sent: pure but for chance, which is given. */
import type { Random } from '#pkg/base/random.ts';
import { listenerFor, matchFor, type RequestFacts } from '../model/match.ts';
import type { Backend, CompiledMatch, Endpoint, PortTable } from '../model/table.ts';
import { type ArrivedAt, redirectTo } from './edits.ts';

/** What becomes of a request. */
export type Decision =
  | { readonly type: 'answer'; readonly status: number; readonly why: string }
  | { readonly type: 'redirect'; readonly status: number; readonly location: string; readonly match: CompiledMatch }
  | { readonly type: 'forward'; readonly match: CompiledMatch; readonly backend: Backend; readonly endpoint: Endpoint };

/** A request, and how it came. */
export interface Arrival {
  readonly facts: RequestFacts;
  readonly at: ArrivedAt;
  /** The name that the client asked for in its handshake; undefined without TLS or a name. */
  readonly serverName: string | undefined;
}

/** Decides it. */
export function decide(port: PortTable, { facts, at, serverName }: Arrival, random: Random): Decision {
  const listener = listenerFor(port, facts.host);
  // A connection whose certificate is of one listener must not reach what is behind another.
  if (serverName !== undefined && listenerFor(port, serverName) !== listener)
    return { type: 'answer', status: 421, why: 'this connection is for another host' };
  const match = listener === undefined ? undefined : matchFor(listener, facts);
  if (match === undefined) return { type: 'answer', status: 404, why: 'no route matches' };
  const { filters, backends } = match.rule;
  if (filters.redirect !== undefined) {
    const location = redirectTo(filters.redirect, match, at);
    return { type: 'redirect', status: filters.redirect.status, location, match };
  }
  const backend = byWeight(backends, random);
  if (backend?.endpoints === undefined) return { type: 'answer', status: 500, why: 'the route has no backend' };
  const endpoint = oneOf(backend.endpoints, random);
  if (endpoint === undefined) return { type: 'answer', status: 503, why: 'the backend has no endpoint that is ready' };
  return { type: 'forward', match, backend, endpoint };
}

/** One of them, in proportion to their weights; undefined where these are all 0. */
function byWeight(backends: readonly Backend[], random: Random): Backend | undefined {
  const [only] = backends;
  if (backends.length === 1) return only !== undefined && only.weight > 0 ? only : undefined;
  const sum = backends.reduce((total, { weight }) => total + weight, 0);
  let left = random.next() * sum;
  return backends.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
}

/** One of them. */
export function oneOf(endpoints: readonly Endpoint[], random: Random): Endpoint | undefined {
  return endpoints.length < 2 ? endpoints[0] : endpoints[Math.floor(random.next() * endpoints.length)];
}
