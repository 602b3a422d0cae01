/** From the rules of an HTTPRoute to what the proxy works by. Source: Gateway API reference, `HTTPRouteRule`, `HTTPRouteFilter`; GEP-2257 (durations). */
import type { HeaderChange, HttpRoute, PathChange, RouteFilter, RouteMatch, RouteRule } from '../types.ts';
import type { BackendIndex, ResolvedBackend } from './backends.ts';
import type { Referrer } from './grants.ts';
import type { Backend, CompiledMatch, CompiledRule, Filters, HeaderEdit, Mirror, Pair, PathEdit } from './table.ts';

/** Something about a route that does not lead anywhere, as a condition says it. */
export interface RouteProblem {
  readonly reason: string;
  readonly message: string;
}

/** A rule, and the conditions under which a request has it; hostnames are still to be put in. */
export interface RulePlan {
  readonly rule: CompiledRule;
  readonly matches: readonly Omit<CompiledMatch, 'hostname' | 'rule'>[];
}

/** The rules of a route and what is wrong with their references. */
export interface RoutePlan {
  readonly rules: readonly RulePlan[];
  /** Why the route as a whole cannot be accepted: something that this gateway does not do. */
  readonly unsupported: string | undefined;
  /** The first reference that leads nowhere. */
  readonly unresolved: RouteProblem | undefined;
}

/** Compiles a route. */
export function compileRoute(route: HttpRoute, index: BackendIndex): RoutePlan {
  const { namespace = '', name = '' } = route.metadata ?? {};
  const from: Referrer = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace };
  const rules = route.spec.rules ?? [];
  let unresolved: RouteProblem | undefined;
  const resolve = (ref: Parameters<BackendIndex['resolve']>[1]): ResolvedBackend => {
    const backend = index.resolve(from, ref);
    if ('reason' in backend) unresolved ??= backend;
    return backend;
  };
  return {
    rules: rules.map((rule) => ({
      rule: compileRule(rule, { owner: `${namespace}/${name}`, resolve }),
      matches: (rule.matches ?? [{}]).map(compileMatch),
    })),
    unsupported: rules.flatMap(({ matches = [] }) => matches.map(unsupportedIn)).find((text) => text !== undefined),
    unresolved,
  };
}

/** Patterns of users are looked at by nobody here: what one of them costs is not known. */
function unsupportedIn({ path, headers = [], queryParams = [] }: RouteMatch): string | undefined {
  const isPattern = ({ type }: { readonly type?: string }): boolean => type === 'RegularExpression';
  return [path ?? {}, ...headers, ...queryParams].some(isPattern)
    ? 'Matches of type RegularExpression are not supported'
    : undefined;
}

function compileMatch({ path, headers = [], queryParams = [], method }: RouteMatch): RulePlan['matches'][number] {
  return {
    path: { type: path?.type === 'Exact' ? 'Exact' : 'PathPrefix', value: path?.value ?? '/' },
    method,
    headers: firstOfEach(headers.map(({ name, value }) => ({ name: name.toLowerCase(), value }))),
    query: firstOfEach(queryParams.map(({ name, value }) => ({ name, value }))),
  };
}

/** Of conditions on one name the first counts. */
function firstOfEach(pairs: readonly Pair[]): readonly Pair[] {
  return pairs.filter(({ name }, index) => pairs.findIndex((other) => other.name === name) === index);
}

interface RuleContext {
  readonly owner: string;
  resolve(ref: Parameters<BackendIndex['resolve']>[1]): ResolvedBackend;
}

function compileRule(rule: RouteRule, context: RuleContext): CompiledRule {
  const backends = (rule.backendRefs ?? []).map((ref): Backend => {
    const found = context.resolve(ref);
    return {
      weight: ref.weight ?? 1,
      endpoints: 'endpoints' in found ? found.endpoints : undefined,
      filters: compileFilters(ref.filters ?? [], context),
    };
  });
  const requestTimeoutMs = durationMs(rule.timeouts?.request);
  return {
    owner: context.owner,
    filters: compileFilters(rule.filters ?? [], context),
    backends,
    requestTimeoutMs,
    backendTimeoutMs: durationMs(rule.timeouts?.backendRequest),
  };
}

function compileFilters(filters: readonly RouteFilter[], context: RuleContext): Filters {
  let all: Filters = {};
  for (const filter of filters) {
    const { requestHeaderModifier, responseHeaderModifier, requestRedirect, urlRewrite, requestMirror } = filter;
    if (requestHeaderModifier !== undefined) all = { ...all, requestHeaders: headerEdit(requestHeaderModifier) };
    if (responseHeaderModifier !== undefined) all = { ...all, responseHeaders: headerEdit(responseHeaderModifier) };
    if (requestRedirect !== undefined) {
      const { statusCode = 302, path, ...rest } = requestRedirect;
      all = { ...all, redirect: { ...rest, status: statusCode, ...pathOf(path) } };
    }
    if (urlRewrite !== undefined) {
      const { path, hostname } = urlRewrite;
      all = { ...all, rewrite: { ...(hostname === undefined ? {} : { hostname }), ...pathOf(path) } };
    }
    if (requestMirror !== undefined)
      all = { ...all, mirrors: [...(all.mirrors ?? []), ...mirrorOf(requestMirror, context)] };
  }
  return all;
}

function pathOf(path: PathChange | undefined): { readonly path?: PathEdit } {
  if (path === undefined) return {};
  return {
    path:
      path.type === 'ReplaceFullPath'
        ? { full: path.replaceFullPath ?? '' }
        : { prefix: path.replacePrefixMatch ?? '' },
  };
}

function headerEdit({ set = [], add = [], remove = [] }: HeaderChange): HeaderEdit {
  const lower = (pairs: readonly Pair[]): readonly Pair[] =>
    firstOfEach(pairs.map(({ name, value }) => ({ name: name.toLowerCase(), value })));
  return { set: lower(set), add: lower(add), remove: remove.map((name) => name.toLowerCase()) };
}

function mirrorOf(
  { backendRef, percent, fraction }: NonNullable<RouteFilter['requestMirror']>,
  { resolve }: RuleContext,
): readonly Mirror[] {
  const found = resolve(backendRef);
  if (!('endpoints' in found)) return [];
  const [share, of] =
    fraction === undefined ? [percent ?? 100, 100] : [fraction.numerator, fraction.denominator ?? 100];
  return [{ endpoints: found.endpoints, share, of }];
}

const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Of a duration such as `1m30s`, its milliseconds; 0 for none. */
function durationMs(text = ''): number {
  let sum = 0;
  for (const [, count = '0', unit = 's'] of text.matchAll(/(\d+)(h|ms|m|s)/g))
    sum += Number(count) * (unitsMs[unit] ?? 0);
  return sum;
}
