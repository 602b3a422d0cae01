/** A resource without a watch cache answers as one that has it (faults 56 and 57). */
import { expect, test } from 'vitest';
import type { KeepingRules } from './keeping-rules.ts';
import type { Strategy } from './strategy.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const reasons = ['Started', 'Killed', 'Pulled "x"'];
const events = '/api/v1/namespaces/default/events';

function strategies(keeping: KeepingRules): readonly Strategy[] {
  const selectableFields: Strategy['selectableFields'] = (event) => ({
    reason: (event as { reason?: string }).reason ?? '',
    'involvedObject.uid': (event as { involvedObject?: { uid?: string } }).involvedObject?.uid ?? '',
  });
  return [{ group: '', resource: 'events', selectableFields, selectsVerbatim: true, keeping, createOnUpdate: true }];
}

function event(name: string, index: number): object {
  const involvedObject = { kind: 'Pod', name: `p${index % 4}`, uid: `u${index % 7}` };
  return { metadata: { name, labels: { odd: String(index % 2) } }, involvedObject, reason: reasons[index % 3] };
}

/** A server with events of two namespaces, some of which were changed and some deleted. */
async function withEvents(keeping: KeepingRules): Promise<TestServer> {
  const server = await startTestServer({ strategies: strategies(keeping) });
  for (let i = 0; i < 30; i++) {
    const path = i % 5 === 0 ? '/api/v1/namespaces/kube-system/events' : events;
    const { status } = await server.call('POST', path, { object: event(`e${i + 10}`, i) });
    expect(status).toBe(201);
  }
  const headers = { 'content-type': 'application/merge-patch+json' };
  for (const name of ['e11', 'e13', 'e22'])
    await server.call('PATCH', `${events}/${name}`, { object: { reason: 'Changed' }, headers });
  for (const name of ['e12', 'e21']) expect((await server.call('DELETE', `${events}/${name}`)).status).toBe(200);
  return server;
}

/** Without what no two servers have in common. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, each: unknown) =>
      name === 'uid' && String(each).length > 10 ? 'uid' : name === 'continue' ? 'token' : each,
    ),
  );
}

const gets = [
  events,
  '/api/v1/events',
  '/apis/events.k8s.io/v1/events',
  `${events}?resourceVersion=0`,
  `${events}?resourceVersion=20`,
  `${events}?resourceVersion=20&resourceVersionMatch=Exact`,
  `${events}?resourceVersion=20&resourceVersionMatch=NotOlderThan`,
  `${events}?resourceVersion=100&resourceVersionMatch=Exact`,
  `${events}?limit=3`,
  `${events}?limit=100`,
  `${events}?limit=3&fieldSelector=involvedObject.uid=u3`,
  `${events}?fieldSelector=involvedObject.uid=u3`,
  `${events}?fieldSelector=reason=Changed`,
  `${events}?fieldSelector=reason=Pulled%20%22x%22`,
  `${events}?fieldSelector=reason!=Started,involvedObject.uid!=u1`,
  `${events}?fieldSelector=involvedObject.uid=`,
  '/apis/events.k8s.io/v1/events?fieldSelector=reason=Killed',
  `${events}?fieldSelector=metadata.name=e13`,
  `${events}?fieldSelector=metadata.name=e1`,
  '/api/v1/events?fieldSelector=metadata.name=e13',
  `${events}?labelSelector=odd=1`,
  `${events}?labelSelector=odd=1&fieldSelector=reason=Started`,
  `${events}?continue=nonsense`,
  `${events}/e13`,
  `${events}/e12`,
  `${events}/e13?resourceVersion=0`,
  `${events}/e13?resourceVersion=10`,
  `${events}/e1`,
];

test('reads of all kinds are answered alike', async () => {
  const [cached, uncached] = [await withEvents({}), await withEvents({ watchCache: 'none' })];
  for (const target of gets) {
    const [wanted, found] = [await cached.call('GET', target), await uncached.call('GET', target)];
    expect([target, found.status, plain(found.body)]).toEqual([target, wanted.status, plain(wanted.body)]);
    const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const [table, other] = [
      await cached.call('GET', target, { headers }),
      await uncached.call('GET', target, { headers }),
    ];
    expect([target, plain(other.body)]).toEqual([target, plain(table.body)]);
  }
});

test('a list in pages is one state, and says on each page how many are left', async () => {
  const pagesOf = async (server: TestServer, query: string): Promise<unknown[]> => {
    const pages: unknown[] = [];
    let token = '';
    do {
      const { body } = await server.call('GET', `${events}?limit=4${query}${token && `&continue=${token}`}`);
      pages.push(plain(body));
      token = body.metadata.continue ?? '';
      await server.call('POST', events, { object: event(`e1${pages.length}-new`, 3) });
      await server.call('DELETE', `${events}/e${pages.length * 4 + 22}`);
    } while (token !== '');
    return pages;
  };
  for (const query of ['', '&fieldSelector=reason!=Killed', '&labelSelector=odd=0']) {
    const [cached, uncached] = [await withEvents({}), await withEvents({ watchCache: 'none' })];
    const pages = await pagesOf(uncached, query);
    expect(pages.length).toBeGreaterThan(2);
    expect(pages).toEqual(await pagesOf(cached, query));
  }
});

test('watches of all kinds are told alike', async () => {
  const watches = [
    '?watch=1',
    '?watch=1&resourceVersion=0',
    '?watch=1&resourceVersion=20',
    '?watch=1&resourceVersion=20&fieldSelector=reason=Changed',
    '?watch=1&resourceVersion=20&fieldSelector=metadata.name=e13',
    '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=reason=Started',
  ];
  const told = async (server: TestServer, query: string): Promise<unknown> => {
    const watch = await server.watch(events + query);
    await server.call('POST', events, { object: { ...event('last', 3), reason: 'Changed' } });
    await server.call('DELETE', `${events}/e13`);
    await server.clock.advance(60_000);
    const frames: unknown[] = [];
    while (!JSON.stringify(frames).includes('"DELETED","e13"')) {
      frames.push(...(await watch.frames()).map(({ type, object }) => [type, object.metadata?.name, plain(object)]));
    }
    return frames.filter((frame) => !JSON.stringify(frame).includes('"creationTimestamp":null,"annotations":{}'));
  };
  for (const query of watches) {
    const [cached, uncached] = [await withEvents({}), await withEvents({ watchCache: 'none' })];
    if (query.includes('reason=Started'))
      for (const server of [cached, uncached]) await server.call('PUT', `${events}/e13`, { object: event('e13', 0) });
    expect([query, await told(uncached, query)]).toEqual([query, await told(cached, query)]);
  }
});

test('a read of a revision that is not there yet says so, at once', async () => {
  const { call } = await withEvents({ watchCache: 'none' });
  for (const target of [`${events}?resourceVersion=1000`, `${events}/e13?resourceVersion=1000`]) {
    const { status, body } = await call('GET', target);
    expect([status, body.message]).toEqual([504, 'Timeout: Too large resource version: 1000, current: 40']);
  }
});

test('a watch from a revision that was compacted is told that it is too old', async () => {
  const { store, watch, call } = await withEvents({ watchCache: 'none' });
  await store.compact(30);
  const { frames } = await watch(`${events}?watch=1&resourceVersion=20`);
  const [frame] = await frames();
  expect(frame).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
  expect((await call('GET', `${events}?resourceVersion=20&resourceVersionMatch=Exact`)).status).toBe(410);
});

test('an object with a time to live is deleted when that is over since its last write (fault 56)', async () => {
  const { call, clock, watch } = await withEvents({ watchCache: 'none', ttlMs: 3_600_000 });
  await clock.advance(1_800_000);
  const headers = { 'content-type': 'application/merge-patch+json' };
  await call('PATCH', `${events}/e13`, { object: { reason: 'Again' }, headers });
  const { next } = await watch(`${events}?watch=1`);
  await next();
  await clock.advance(1_799_000);
  expect((await call('GET', '/api/v1/events')).body.items).toHaveLength(28);
  await clock.advance(11_000);
  expect((await call('GET', '/api/v1/events')).body.items.map((each: { metadata: object }) => each.metadata)).toEqual([
    expect.objectContaining({ name: 'e13' }),
  ]);
  expect((await next()).map((each) => each.slice(0, 9))).toContain('DELETED e');
});
