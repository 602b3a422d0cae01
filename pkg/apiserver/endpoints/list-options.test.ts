/**
 * Which state a list or a watch is of: every combination of its parameters, with what is found or the whole refusal.
 * Source: API concepts, "semantics for get and list", "semantics for watch"; apimachinery `ValidateListOptions`.
 */
import { beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';

let server: TestServer;
/** The version of each object by its name: a, b, c and d were made in this order, and then b was deleted. */
const versions: Record<string, string> = {};

beforeAll(async () => {
  server = await startTestServer();
  for (const name of ['a', 'b', 'c', 'd']) {
    const { body } = await server.call('POST', maps, { object: { metadata: { name } } });
    versions[name] = body.metadata.resourceVersion;
  }
  await server.call('DELETE', `${maps}/b`);
  versions.now = (await server.call('GET', maps)).body.metadata.resourceVersion;
});

/** `@c` in a query stands for the version of c. */
function target(query: string): string {
  return `${maps}?${query.replaceAll(/@(\w+)/g, (_, name: string) => versions[name]!)}`;
}

interface Listed {
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

function told({ metadata, items }: Listed): string {
  const at = Object.entries(versions).find(([, version]) => version === metadata.resourceVersion)?.[0];
  const more = metadata.continue === undefined ? '' : ` + ${metadata.remainingItemCount ?? 'more'}`;
  return `${items.map((item) => item.metadata.name).join(' ')} at ${at}${more}`;
}

test.each([
  ['', 'a c d at now'],
  ['resourceVersion=', 'a c d at now'],
  ['resourceVersion=0', 'a c d at now'],
  ['resourceVersion=@c', 'a c d at now'],
  ['resourceVersion=@c&resourceVersionMatch=NotOlderThan', 'a c d at now'],
  ['resourceVersion=0&resourceVersionMatch=NotOlderThan', 'a c d at now'],
  ['resourceVersion=@c&resourceVersionMatch=Exact', 'a b c at c'],
  ['resourceVersionMatch=', 'a c d at now'],
  ['limit=2', 'a c at now + 1'],
  ['limit=3', 'a c d at now'],
  ['limit=0', 'a c d at now'],
  ['limit=2&resourceVersion=0', 'a c d at now'],
  ['limit=2&resourceVersion=0&resourceVersionMatch=NotOlderThan', 'a c d at now'],
  ['limit=2&resourceVersion=@c', 'a b at c + 1'],
  ['limit=2&resourceVersion=@c&resourceVersionMatch=Exact', 'a b at c + 1'],
  ['limit=2&resourceVersion=@c&resourceVersionMatch=NotOlderThan', 'a c at now + 1'],
  ['limit=1&fieldSelector=metadata.name!%3Da', 'c at now + more'],
  ['limit=1&fieldSelector=metadata.name%3Dc', 'c at now'],
  ['limit=1&labelSelector=!x', 'a at now + more'],
])('a list with %j is %s', async (query, expected) => {
  expect(told((await server.call('GET', target(query))).body)).toBe(expected);
});

test('a page is followed by the next, at the same state, whatever limit that has', async () => {
  const { metadata } = (await server.call('GET', target('limit=1&resourceVersion=@c'))).body as Listed;
  const next = (query: string) => server.call('GET', target(`continue=${metadata.continue}${query}`));
  expect(told((await next('')).body)).toBe('b c at c');
  expect(told((await next('&limit=1')).body)).toBe('b at c + 1');
  expect(told((await next('&resourceVersion=0')).body)).toBe('b c at c');
});

const forbidden = 'FieldValueForbidden';
const unsupported = 'FieldValueNotSupported';
const match = 'resourceVersionMatch';
const initial = 'sendInitialEvents';
const noVersion = [forbidden, match, 'resourceVersionMatch is forbidden unless resourceVersion is provided'] as const;
const needsInitial = [
  forbidden,
  match,
  'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
] as const;
const needsMatch = [
  forbidden,
  match,
  'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
] as const;
const noContinue = [forbidden, match, 'resourceVersionMatch is forbidden when continue is provided'] as const;
const listMatches = '"Exact", "NotOlderThan", ""';

test.each([
  ['resourceVersionMatch=Exact', [noVersion]],
  ['resourceVersionMatch=NotOlderThan', [noVersion]],
  [
    'resourceVersionMatch=exact&resourceVersion=@c',
    [[unsupported, match, `"exact": supported values: ${listMatches}`]],
  ],
  ['resourceVersionMatch=x', [noVersion, [unsupported, match, `"x": supported values: ${listMatches}`]]],
  [
    'resourceVersionMatch=Exact&resourceVersion=0',
    [[forbidden, match, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"']],
  ],
  ['resourceVersionMatch=Exact&resourceVersion=@c&continue=x', [noContinue]],
  ['sendInitialEvents=true', [[forbidden, initial, 'sendInitialEvents is forbidden for list']]],
  ['sendInitialEvents=false', [[forbidden, initial, 'sendInitialEvents is forbidden for list']]],
  ['watch=1&sendInitialEvents=true', [needsMatch]],
  ['watch=1&sendInitialEvents=false', [needsMatch]],
  ['watch=1&resourceVersionMatch=NotOlderThan', [needsInitial]],
  [
    'watch=1&resourceVersionMatch=Exact&resourceVersion=@c',
    [needsInitial, [unsupported, match, '"Exact": supported values: "NotOlderThan"']],
  ],
  [
    'watch=1&sendInitialEvents=true&resourceVersionMatch=Exact',
    [needsMatch, [unsupported, match, '"Exact": supported values: "NotOlderThan"']],
  ],
  ['watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x', [noContinue]],
] as const)('%s is refused', async (query, faults) => {
  const causes = faults.map(([reason, field, why]) => {
    const message = reason === forbidden ? `Forbidden: ${why}` : `Unsupported value: ${why}`;
    return { reason, message, field };
  });
  const texts = causes.map(({ field, message }) => `${field}: ${message}`);
  const { body } = await server.call('GET', target(query));
  expect(body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `ListOptions.meta.k8s.io "" is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`,
    reason: 'Invalid',
    details: { group: 'meta.k8s.io', kind: 'ListOptions', causes },
    code: 422,
  });
});

const initialEvents = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';

test.each([
  ['', ['ADDED a', 'ADDED c', 'ADDED d']],
  ['&resourceVersion=0', ['ADDED a', 'ADDED c', 'ADDED d']],
  ['&resourceVersion=@c', ['ADDED d', 'DELETED b']],
  ['&resourceVersion=@b&fieldSelector=metadata.name%3Db', ['DELETED b']],
  [`&${initialEvents}`, ['ADDED a', 'ADDED c', 'ADDED d']],
  [`&${initialEvents}&allowWatchBookmarks=true`, ['ADDED a', 'ADDED c', 'ADDED d', 'BOOKMARK']],
  [`&${initialEvents}&allowWatchBookmarks=true&resourceVersion=@c`, ['ADDED a', 'ADDED c', 'ADDED d', 'BOOKMARK']],
])('a watch with %j begins with %j', async (query, expected) => {
  expect(await (await server.watch(target(`watch=1${query}`))).next()).toEqual(expected);
});

test('a watch without initial events begins with what happens next', async () => {
  const query = 'watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan';
  const watch = await server.watch(target(query));
  await server.call('POST', maps, { object: { metadata: { name: 'z' } } });
  expect(await watch.next()).toEqual(['ADDED z']);
});
