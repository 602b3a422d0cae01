import { expect, test } from 'vitest';
import { pluginTable } from '../plugin-table.ts';
import { readConfiguration } from './read-configuration.ts';

const head = { apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration' };

test('a file that says nothing has one profile, for the pods that name no scheduler', () => {
  expect(readConfiguration(head, pluginTable)).toMatchObject({
    profiles: [{ schedulerName: 'default-scheduler' }],
    podInitialBackoffSeconds: 1,
    podMaxBackoffSeconds: 10,
    extenders: [],
  });
});

const fitArgs = (args: object) => ({ profiles: [{ pluginConfig: [{ name: 'NodeResourcesFit', args }] }] });

/** Paths and words are upstream's, but for what its decoder says of unknown fields and what only its start finds. */
test.each<[string, object, string]>([
  ['no version', { apiVersion: 'v2' }, 'apiVersion: must be equal to constant'],
  ['a field that is none', { profile: [] }, 'unknown field "profile"'],
  [
    'two profiles of one name',
    { profiles: [{ schedulerName: 'a' }, { schedulerName: 'a' }] },
    'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"',
  ],
  [
    'a profile without a name beside others',
    { profiles: [{}, { schedulerName: 'a' }] },
    'profiles[0].schedulerName: Required value',
  ],
  [
    'an unknown plugin',
    { profiles: [{ plugins: { filter: { enabled: [{ name: 'NodeNames' }] } } }] },
    'profiles[0].plugins.filter.enabled[0].name: Invalid value: "NodeNames": there is no plugin of that name',
  ],
  [
    'arguments of an unknown plugin',
    { profiles: [{ pluginConfig: [{ name: 'Coscheduling', args: {} }] }] },
    'profiles[0].pluginConfig[0].name: Invalid value: "Coscheduling": there is no plugin of that name',
  ],
  [
    'arguments for one that takes none',
    { profiles: [{ pluginConfig: [{ name: 'NodeName', args: { a: 1 } }] }] },
    'profiles[0].pluginConfig[0].args: Forbidden: the plugin NodeName takes no arguments',
  ],
  [
    'arguments of a plugin twice',
    {
      profiles: [
        {
          pluginConfig: [
            { name: 'NodeName', args: {} },
            { name: 'NodeName', args: {} },
          ],
        },
      ],
    },
    'profiles[0].pluginConfig[1]: Duplicate value: "NodeName"',
  ],
  [
    'another order of the queue in one profile',
    {
      profiles: [{ schedulerName: 'a' }, { schedulerName: 'b', plugins: { queueSort: { disabled: [{ name: '*' }] } } }],
    },
    'profiles[1].plugins.queueSort: Invalid value: has to match for all profiles',
  ],
  [
    'a strategy that is none',
    fitArgs({ scoringStrategy: { type: 'Most' } }),
    'profiles[0].pluginConfig[0].args.scoringStrategy.type: must be one of',
  ],
  [
    'too large a weight',
    fitArgs({ scoringStrategy: { type: 'MostAllocated', resources: [{ name: 'cpu', weight: 101 }] } }),
    'profiles[0].pluginConfig[0].args.scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]',
  ],
  [
    'a shape that falls back',
    fitArgs({
      scoringStrategy: {
        type: 'RequestedToCapacityRatio',
        requestedToCapacityRatio: {
          shape: [
            { utilization: 50, score: 5 },
            { utilization: 40, score: 11 },
          ],
        },
      },
    }),
    'shape[1].utilization: Invalid value: 40: utilization values must be sorted in increasing order; profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape[1].score: Invalid value: 11: not in valid range [0, 10]',
  ],
  [
    'groups with a slash',
    fitArgs({ ignoredResourceGroups: ['example.com/gpu'] }),
    "args.ignoredResourceGroups[0]: Invalid value: \"example.com/gpu\": resource group name can't contain '/'",
  ],
  [
    'a weight of pod affinity',
    { profiles: [{ pluginConfig: [{ name: 'InterPodAffinity', args: { hardPodAffinityWeight: 101 } }] }] },
    'args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]',
  ],
  [
    'preemption that tries nothing',
    {
      profiles: [
        {
          pluginConfig: [
            { name: 'DefaultPreemption', args: { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 } },
          ],
        },
      ],
    },
    'args.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute',
  ],
  [
    'default constraints of the system and of a list',
    {
      profiles: [
        {
          pluginConfig: [
            {
              name: 'PodTopologySpread',
              args: {
                defaultingType: 'System',
                defaultConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
              },
            },
          ],
        },
      ],
    },
    'args.defaultingType: Invalid value: "System": when .defaultConstraints are not empty',
  ],
  [
    'a default constraint that repeats another and selects',
    {
      profiles: [
        {
          pluginConfig: [
            {
              name: 'PodTopologySpread',
              args: {
                defaultingType: 'List',
                defaultConstraints: [
                  { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' },
                  { maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: {} },
                ],
              },
            },
          ],
        },
      ],
    },
    'args.defaultConstraints[1].maxSkew: Invalid value: 0: not in valid range (0, inf); profiles[0].pluginConfig[0].args.defaultConstraints[1].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod; profiles[0].pluginConfig[0].args.defaultConstraints[1]: Duplicate value: "{zone, ScheduleAnyway}"',
  ],
  [
    'no back-off',
    { podInitialBackoffSeconds: 0 },
    'podInitialBackoffSeconds: Invalid value: 0: must be greater than 0',
  ],
  [
    'a longest back-off below the first',
    { podInitialBackoffSeconds: 5, podMaxBackoffSeconds: 4 },
    'podMaxBackoffSeconds: Invalid value: 4: must be greater than or equal to PodInitialBackoffSeconds',
  ],
  [
    'a share of nodes',
    { percentageOfNodesToScore: 101 },
    'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]',
  ],
  [
    'a share of nodes in a profile',
    { profiles: [{ percentageOfNodesToScore: -1 }] },
    'profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]',
  ],
  [
    'an extender that is to be known and believed whoever it is',
    { extenders: [{ urlPrefix: 'https://a/', tlsConfig: { insecure: true, caFile: 'ca.crt' } }] },
    'extenders[0].tlsConfig: Invalid value: "insecure": specifying a root certificates file with the insecure flag is not allowed',
  ],
  [
    'an extender that is shown a certificate without a key',
    { extenders: [{ urlPrefix: 'https://a/', tlsConfig: { certFile: 'own.crt' } }] },
    'extenders[0].tlsConfig: Required value: a certificate and its key have to be given together',
  ],
  [
    'an extender whose scores do not count',
    { extenders: [{ urlPrefix: 'http://127.0.0.1:1/', prioritizeVerb: 'p' }] },
    'extenders[0].weight: Invalid value: 0: must have a positive weight applied to it',
  ],
  [
    'two extenders that bind',
    {
      extenders: [
        { urlPrefix: 'http://a/', bindVerb: 'b' },
        { urlPrefix: 'http://b/', bindVerb: 'b' },
      ],
    },
    'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
  ],
])('refused: %s', (_, document, message) => {
  expect(() => readConfiguration({ ...head, ...document }, pluginTable)).toThrow(message);
});
