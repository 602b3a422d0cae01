import { expect, test } from 'vitest';
import { services } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import { localApi } from './local-api.ts';

/** The store as one that is elsewhere: several servers have it, and only ask it how far it has come. */
function shared(inner: Store): Store {
  return {
    get: (key) => inner.get(key),
    range: (options) => inner.range(options),
    write: (operation) => inner.write(operation),
    watch: (options, sink) => inner.watch({ ...options, prefix: '' }, forPrefix(options.prefix, sink)),
    currentRevision: () => inner.currentRevision(),
    compact: (revision) => inner.compact(revision),
    close: () => inner.close(),
  };
}

/** Tells a watch of one prefix of all revisions, as drivers of stores elsewhere do. */
function forPrefix(prefix: string, sink: Parameters<Store['watch']>[1]): Parameters<Store['watch']>[1] {
  const keyOf = (event: Parameters<typeof sink.onEvents>[0][number]): string =>
    event.type === 'put' ? event.kv.key : event.key;
  return {
    onEvents: (events, revision) =>
      sink.onEvents(
        events.filter((event) => keyOf(event).startsWith(prefix)),
        revision,
      ),
    onError: (error) => sink.onError(error),
  };
}

test('two API servers of one store never give the same cluster IP or node port', async () => {
  const clock = new VirtualClock();
  const inner = createMemoryStore({ clock });
  const store = shared(inner);
  const options = {
    store,
    clock,
    log: silentLogger,
    serviceCidr: '10.0.0.0/25',
    authorizationModes: ['AlwaysAllow'] as const,
  };
  const servers = [1, 1].map((seed) => localApi({ ...options, random: new SeededRandom(seed) }));
  const ending = new AbortController();
  for (const server of servers) await server.ready();
  const running = servers.map((server) => server.run(ending.signal));
  const make = (index: number, name: string) =>
    servers[index]!.client.resource(services).create({
      metadata: { name, namespace: 'default' },
      spec: { type: 'NodePort', ports: [{ port: 80 }] },
    });
  // The same seed on both: each would give the same numbers in the same order.
  const made = await Promise.all(Array.from({ length: 40 }, (_, i) => make(i % 2, `web-${i}`)));
  const ips = made.map(({ spec }) => spec?.clusterIP);
  const ports = made.map(({ spec }) => spec?.ports?.[0]?.nodePort);
  expect([new Set(ips).size, new Set(ports).size]).toEqual([40, 40]);

  const named = {
    metadata: { name: 'named', namespace: 'default' },
    spec: { clusterIP: ips[0]!, ports: [{ port: 80 }] },
  };
  const taken = servers[1]!.client.resource(services).create(named);
  await expect(taken).rejects.toThrow('provided IP is already allocated');
  await servers[0]!.client.resource(services).delete('web-0', { namespace: 'default' });
  await clock.advance(1_000);
  expect((await servers[1]!.client.resource(services).create(named)).spec?.clusterIP).toBe(ips[0]);
  ending.abort();
  await Promise.all(running);
});
