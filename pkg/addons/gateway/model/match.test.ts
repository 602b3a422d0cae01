/** Which rule a request has, by upstream's order of precedence. */
import { expect, test } from 'vitest';
import type { HttpRoute, RouteMatch } from '../types.ts';
import { BackendIndex } from './backends.ts';
import { compareHosts, hostMatches, intersectHosts } from './hostnames.ts';
import { compareMatches, listenerFor, type MatchOrigin, matchFor, type RequestFacts } from './match.ts';
import { compileRoute } from './rules.ts';
import type { CompiledMatch, ListenerTable } from './table.ts';

const noBackends = new BackendIndex({ services: [], endpointSlices: [], grants: [] });

interface Given {
  readonly name: string;
  readonly hostname?: string;
  readonly createdAt?: string;
  readonly match: RouteMatch;
}

/** A listener with one route for each of what is given, in which the owner of a rule is the route's name. */
function listenerOf(given: readonly Given[], hostname = ''): ListenerTable {
  const all = given.flatMap(({ name, hostname: host = '', createdAt = '', match }) => {
    const route: HttpRoute = { metadata: { name, namespace: 'ns' }, spec: { rules: [{ matches: [match] }] } };
    return compileRoute(route, noBackends).rules.flatMap(({ rule, matches }, index) =>
      matches.map((one): readonly [CompiledMatch, MatchOrigin] => [
        { ...one, hostname: host, rule },
        { createdAt, key: `ns/${name}`, index },
      ]),
    );
  });
  return { hostname, certificates: [], matches: all.sort(compareMatches).map(([match]) => match) };
}

function facts(
  path: string,
  { host = 'a.test', method = 'GET', headers = {}, query = {} }: Partial<Asked> = {},
): RequestFacts {
  const of = (map: Readonly<Record<string, string>>) => (name: string) =>
    Object.hasOwn(map, name) ? map[name] : undefined;
  return { path, host, method, header: of(headers), query: of(query) };
}

interface Asked {
  readonly host: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

const path = (value: string, type = 'PathPrefix'): RouteMatch => ({ path: { type, value } });
const owner = (given: readonly Given[], request: RequestFacts): string | undefined =>
  matchFor(listenerOf(given), request)?.rule.owner.slice(3);

test.each<[string, readonly Given[], RequestFacts, string | undefined]>([
  ['a prefix is of whole elements', [{ name: 'p', match: path('/ab') }], facts('/abc'), undefined],
  ['a prefix has itself', [{ name: 'p', match: path('/ab') }], facts('/ab'), 'p'],
  ['a prefix has what is below it', [{ name: 'p', match: path('/ab/') }], facts('/ab/c'), 'p'],
  ['a slash at its end does not count', [{ name: 'p', match: path('/ab/') }], facts('/ab'), 'p'],
  ['an exact path has nothing below it', [{ name: 'p', match: path('/ab', 'Exact') }], facts('/ab/'), undefined],
  ['paths have their case', [{ name: 'p', match: path('/ab') }], facts('/AB'), undefined],
  [
    'exact comes before a prefix',
    [
      { name: 'prefix', match: path('/ab') },
      { name: 'exact', match: path('/ab', 'Exact') },
    ],
    facts('/ab'),
    'exact',
  ],
  [
    'a longer prefix comes first',
    [
      { name: 'short', match: path('/') },
      { name: 'long', match: path('/a') },
    ],
    facts('/a/b'),
    'long',
  ],
  [
    'a method comes before headers',
    [
      { name: 'headers', match: { ...path('/'), headers: [{ name: 'X', value: '1' }] } },
      { name: 'method', match: { ...path('/'), method: 'GET' } },
    ],
    facts('/', { headers: { x: '1' } }),
    'method',
  ],
  [
    'more headers come first',
    [
      { name: 'one', match: { headers: [{ name: 'X', value: '1' }] } },
      {
        name: 'two',
        match: {
          headers: [
            { name: 'x', value: '1' },
            { name: 'y', value: '2' },
          ],
        },
      },
    ],
    facts('/', { headers: { x: '1', y: '2' } }),
    'two',
  ],
  [
    'all headers have to fit',
    [
      {
        name: 'two',
        match: {
          headers: [
            { name: 'x', value: '1' },
            { name: 'y', value: '2' },
          ],
        },
      },
    ],
    facts('/', { headers: { x: '1', y: '3' } }),
    undefined,
  ],
  [
    'headers come before parameters',
    [
      {
        name: 'query',
        match: {
          queryParams: [
            { name: 'q', value: '1' },
            { name: 'r', value: '1' },
          ],
        },
      },
      { name: 'header', match: { headers: [{ name: 'x', value: '1' }] } },
    ],
    facts('/', { headers: { x: '1' }, query: { q: '1', r: '1' } }),
    'header',
  ],
  [
    'names of parameters have their case',
    [{ name: 'q', match: { queryParams: [{ name: 'Q', value: '1' }] } }],
    facts('/', { query: { q: '1' } }),
    undefined,
  ],
  [
    'a precise host comes before all else',
    [
      { name: 'path', hostname: '*.test', match: path('/a', 'Exact') },
      { name: 'host', hostname: 'a.test', match: path('/') },
    ],
    facts('/a'),
    'host',
  ],
  [
    'a longer wildcard comes first',
    [
      { name: 'short', hostname: '*.test', match: path('/') },
      { name: 'long', hostname: '*.b.test', match: path('/') },
    ],
    facts('/', { host: 'a.b.test' }),
    'long',
  ],
  [
    'a less specific host has what the other leaves',
    [
      { name: 'wide', hostname: '*.test', match: path('/') },
      { name: 'precise', hostname: 'a.test', match: path('/only') },
    ],
    facts('/'),
    'wide',
  ],
  [
    'the oldest route comes first',
    [
      { name: 'a', createdAt: '2026-01-02T00:00:00Z', match: path('/') },
      { name: 'b', createdAt: '2026-01-01T00:00:00Z', match: path('/') },
    ],
    facts('/'),
    'b',
  ],
  [
    'then the first by name',
    [
      { name: 'b', match: path('/') },
      { name: 'a', match: path('/') },
    ],
    facts('/'),
    'a',
  ],
])('%s', (_, given, request, expected) => {
  expect(owner(given, request)).toBe(expected);
  expect(owner(given.toReversed(), request)).toBe(expected);
});

test('requests go to the listener with the most specific hostname, and to no other', () => {
  const given = [{ name: 'all', match: path('/') }];
  const listeners = ['', '*.test', 'a.test'].map((hostname) =>
    listenerOf(hostname === 'a.test' ? [] : given, hostname),
  );
  const port = { protocol: 'HTTP', clientPort: 80, listeners } as const;
  expect(['a.test', 'b.test', 'c.d.test', 'test', 'x'].map((host) => listenerFor(port, host)?.hostname)).toEqual([
    'a.test',
    '*.test',
    '*.test',
    '',
    '',
  ]);
  expect(listenerFor({ ...port, listeners: listeners.slice(1) }, 'x')).toBeUndefined();
});

test('hostnames have in common the more specific of the two', () => {
  const cases: readonly (readonly [string, string, string | undefined])[] = [
    ['', 'a.test', 'a.test'],
    ['a.test', '', 'a.test'],
    ['*.test', 'a.test', 'a.test'],
    ['*.test', 'a.b.test', 'a.b.test'],
    ['*.b.test', '*.test', '*.b.test'],
    ['*.test', '*.test', '*.test'],
    ['*.test', 'test', undefined],
    ['a.test', 'b.test', undefined],
    ['*.a.test', '*.b.test', undefined],
  ];
  for (const [a, b, common] of cases) {
    expect([a, b, intersectHosts(a, b)]).toEqual([a, b, common]);
    expect([b, a, intersectHosts(b, a)]).toEqual([b, a, common]);
  }
  expect(['', '*.test', 'a.test', '*.longer.test'].sort(compareHosts)).toEqual([
    'a.test',
    '*.longer.test',
    '*.test',
    '',
  ]);
  expect(hostMatches('*.test', '.test')).toBe(false);
});
