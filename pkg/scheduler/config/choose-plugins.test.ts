import { expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import type { PluginContext } from '../framework/plugin-context.ts';
import { profileOf } from '../framework/profile.ts';
import { pluginTable } from '../plugin-table.ts';
import { choicesByPoint, chosenEntries } from './choose-plugins.ts';
import type { PluginSets } from './configuration.ts';

const transport = { request: () => Promise.reject(new Error('Cannot write as there is no API')) };
const context: PluginContext = {
  client: createClient({ transport, userAgent: 'test' }),
  random: new SeededRandom(1),
  scheduling: 'spreading',
  lister: () => ({ get: () => undefined, list: () => [], byIndex: () => [] }),
};

function profileWith(plugins: PluginSets, scheduling: 'packing' | 'spreading' = 'spreading') {
  const options = { table: pluginTable, scheduling };
  const spec = { schedulerName: 'test', plugins };
  const made = chosenEntries(spec, options).map((entry) => ({
    plugin: 'plugin' in entry ? entry.plugin : entry.create(context),
    ...(entry.weight === undefined ? {} : { weight: entry.weight }),
  }));
  return profileOf(made, choicesByPoint(spec, made, options));
}

const scores = (plugins: PluginSets, scheduling?: 'packing' | 'spreading'): readonly string[] =>
  profileWith(plugins, scheduling).score.map(({ plugin, weight }) => `${plugin.name} ${weight}`);

test('the default profiles: spreading is the one of upstream, packing leaves out what works against it', () => {
  // Source: kube-scheduler `apis/config/v1/default_plugins.go`.
  expect(scores({})).toEqual([
    'TaintToleration 3',
    'NodeAffinity 2',
    'NodeResourcesFit 1',
    'PodTopologySpread 2',
    'InterPodAffinity 2',
    'NodeResourcesBalancedAllocation 1',
    'ImageLocality 1',
  ]);
  expect(scores({}, 'packing')).toEqual([
    'TaintToleration 3',
    'NodeAffinity 2',
    'NodeResourcesFit 1',
    'PodTopologySpread 2',
    'InterPodAffinity 2',
  ]);
});

test.each<[string, PluginSets, readonly string[]]>([
  [
    'all of one point, but for one',
    { score: { disabled: [{ name: '*' }], enabled: [{ name: 'ImageLocality', weight: 7 }] } },
    ['ImageLocality 7'],
  ],
  [
    'one of a point comes first and has its weight',
    {
      score: { enabled: [{ name: 'NodeResourcesFit', weight: 9 }] },
      multiPoint: { disabled: [{ name: 'ImageLocality' }, { name: 'InterPodAffinity' }] },
    },
    [
      'NodeResourcesFit 9',
      'TaintToleration 3',
      'NodeAffinity 2',
      'PodTopologySpread 2',
      'NodeResourcesBalancedAllocation 1',
    ],
  ],
  [
    'one that was in the defaults keeps its place in them with another weight',
    { multiPoint: { enabled: [{ name: 'NodeAffinity', weight: 5 }] } },
    [
      'TaintToleration 3',
      'NodeAffinity 5',
      'NodeResourcesFit 1',
      'PodTopologySpread 2',
      'InterPodAffinity 2',
      'NodeResourcesBalancedAllocation 1',
      'ImageLocality 1',
    ],
  ],
])('plugins that score: %s', (_, plugins, expected) => {
  expect(scores(plugins)).toEqual(expected);
});

test('a plugin that is disabled at one point is there at the others', () => {
  const { filter, score } = profileWith({ filter: { disabled: [{ name: 'TaintToleration' }] } });
  expect(filter.map(({ name }) => name)).not.toContain('TaintToleration');
  expect(score.map(({ plugin }) => plugin.name)).toContain('TaintToleration');
});

test.each<[string, PluginSets, string]>([
  [
    'a plugin at a point that it has not',
    { bind: { enabled: [{ name: 'NodeName' }] } },
    'Cannot use the plugin NodeName at bind of the scheduler profile test as it does not extend that: it has filter',
  ],
  ['nobody to bind', { bind: { disabled: [{ name: '*' }] } }, 'no plugin binds'],
  ['no order of the queue', { queueSort: { disabled: [{ name: '*' }] } }, 'exactly one queue order: it has 0'],
])('refused: %s', (_, plugins, message) => {
  expect(() => profileWith(plugins)).toThrow(message);
});
