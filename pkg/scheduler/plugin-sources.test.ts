import { expect, test } from 'vitest';
import type { RuntimeClass } from '#pkg/api/types/node-v1.ts';
import { runtimeClasses } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import type { Informers } from '#pkg/client/informer.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { defaultConfiguration } from './config/configuration.ts';
import type { ClusterEvent } from './framework/events.ts';
import type { AnyPlugin } from './framework/plugin.ts';
import type { PluginEntry } from './framework/plugin-context.ts';
import { pluginSources } from './plugin-sources.ts';
import { pluginTable } from './plugin-table.ts';

const whole = { scheduling: 'packing', profiles: defaultConfiguration.profiles } as const;

function makeDeps() {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const transport = inProcessTransport(new FakeApi().handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  return {
    client,
    clock,
    random,
    log: silentLogger,
    metrics: new Metrics(),
    informers: createInformers({ client, clock, random, log: silentLogger }),
  };
}

async function eventsWith(entry: PluginEntry): Promise<readonly string[]> {
  const deps = makeDeps();
  const stop = new AbortController();
  const seen: ClusterEvent[] = [];
  pluginSources(deps, { ...whole, table: [...pluginTable, entry] }).listen((events) => seen.push(...events));
  const running = deps.informers.run(stop.signal);
  await deps.informers.synced(stop.signal);
  const fast: RuntimeClass = { metadata: { name: 'fast' }, handler: 'fast' };
  await deps.client.resource(runtimeClasses).create(fast);
  await deps.clock.settle();
  stop.abort();
  await running;
  return seen.map(({ resource, action }) => `${resource} ${action}`);
}

const reader = (plugin: AnyPlugin): PluginEntry => ({
  create: ({ lister }) => {
    lister(runtimeClasses);
    return plugin;
  },
});

test('what a plugin reads and waits for is a cluster event under the name of its kind', async () => {
  const events = [{ resource: 'RuntimeClass', actions: ['Add'] as const }];
  expect(await eventsWith(reader({ name: 'Waits', events }))).toEqual(['RuntimeClass Add']);
  expect(await eventsWith(reader({ name: 'WaitsForAll' }))).toEqual(['RuntimeClass Add']);
});

test('what nobody waits for is no event', async () => {
  expect(await eventsWith(reader({ name: 'OnlyReads', events: [] }))).toEqual([]);
});

test('rules that taint devices are read where the API has them alone', () => {
  const listOf = (hasTaintRules: boolean): readonly string[] => {
    const deps = makeDeps();
    const asked: string[] = [];
    const informer: Informers['informer'] = (ref, select) => {
      asked.push(ref.resource);
      return deps.informers.informer(ref, select);
    };
    pluginSources(
      { ...deps, informers: { ...deps.informers, informer } },
      { ...whole, table: pluginTable, hasTaintRules },
    );
    return asked;
  };
  expect(listOf(true)).toContain('devicetaintrules');
  expect(listOf(false)).not.toContain('devicetaintrules');
});

test('a plugin that waits for what no plugin reads is refused, as is one that is there twice', () => {
  const waits = { name: 'Waits', events: [{ resource: 'Widget', actions: ['Add'] as const }] };
  expect(() => pluginSources(makeDeps(), { ...whole, table: [...pluginTable, { plugin: waits }] })).toThrow(
    'Cannot use the scheduler plugin Waits as it waits for events of Widget, which no plugin reads',
  );
  expect(() => pluginSources(makeDeps(), { ...whole, table: [...pluginTable, pluginTable[0]!] })).toThrow(
    'a plugin is in it twice',
  );
});
