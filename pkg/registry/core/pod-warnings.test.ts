import { expect, test } from 'vitest';
import type { Deployment } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { pathsOf, rootOf } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { podWarnings } from './pod-warnings.ts';

const container = (fields: object = {}): JsonObject => ({ name: 'c', image: 'i', ...fields });
const term = { matchExpressions: [{ key: 'beta.kubernetes.io/os', operator: 'Exists' }] };
const noSelector = 'a null labelSelector results in matching no pod';

test.each<[string, object, object, readonly string[]]>([
  ['nothing odd', {}, { ports: [{ containerPort: 80 }], env: [{ name: 'A' }] }, []],
  [
    'an old label in a node selector',
    { nodeSelector: { 'beta.kubernetes.io/arch': 'amd64', disk: 'ssd' } },
    {},
    ['spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ],
  [
    'old labels in node affinity',
    {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: term }],
        },
      },
    },
    {},
    [
      'requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]',
      'preferredDuringSchedulingIgnoredDuringExecution[0].preference',
    ].map(
      (where) =>
        `spec.affinity.nodeAffinity.${where}.matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead`,
    ),
  ],
  [
    'affinity to and spreading of no pods',
    {
      affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'x' }] } },
      topologySpreadConstraints: [{ topologyKey: 'x', maxSkew: 1 }],
    },
    {},
    [
      `spec.topologySpreadConstraints[0].labelSelector: ${noSelector}`,
      `spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: ${noSelector}`,
    ],
  ],
  [
    'an old kind of volume',
    {
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'w', gitRepo: { repository: 'r' } },
      ],
    },
    {},
    ['spec.volumes[1].gitRepo: deprecated in v1.11'],
  ],
  [
    'entries of lists that come twice or are empty',
    { hostAliases: [{ ip: '1.1.1.1' }, { ip: '1.1.1.1' }], imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}] },
    {},
    [
      'spec.hostAliases[1].ip: duplicate ip "1.1.1.1"',
      'spec.imagePullSecrets[1].name: duplicate name "a"',
      'spec.imagePullSecrets[2].name: invalid empty name ""',
    ],
  ],
  [
    'parts of bytes',
    {},
    { resources: { limits: { memory: '100m' }, requests: { memory: '1Gi', 'ephemeral-storage': '0.5' } } },
    [
      'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
      'spec.containers[0].resources.requests[ephemeral-storage]: fractional byte value "500m" is invalid, must be an integer',
    ],
  ],
  [
    'a variable that hides another',
    {},
    {
      env: [
        { name: 'A', value: '1' },
        { name: 'A', value: '$(A)2' },
        { name: 'A', value: '3' },
      ],
    },
    ['spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply'],
  ],
  [
    'ports that come twice',
    {},
    {
      ports: [
        { containerPort: 80 },
        { containerPort: 80, protocol: 'TCP' },
        { containerPort: 80, hostPort: 8080 },
        { containerPort: 80, protocol: 'UDP' },
      ],
    },
    [
      'spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]',
      'spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[0]',
      'spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[1]',
    ],
  ],
  [
    'no time to end in',
    { terminationGracePeriodSeconds: -1 },
    {},
    ['spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1'],
  ],
])('a pod with %s', (_name, spec, fields, warnings) => {
  expect(podWarnings({ spec: { containers: [container(fields)], ...spec } }, rootOf<PodTemplateSpec>())).toEqual(
    warnings,
  );
});

test('annotations without effect are named, and a template says where it lies', () => {
  const metadata = { annotations: { 'scheduler.alpha.kubernetes.io/critical-pod': '' } };
  expect(podWarnings({ metadata, spec: {} }, pathsOf<Deployment>()('spec.template'))).toEqual([
    'spec.template.metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
  ]);
});

const manyPorts = (of: (i: number) => object): readonly string[] => {
  const ports = Array.from({ length: 30_000 }, (_, i) => of(i));
  return podWarnings({ spec: { containers: [container({ ports })] } }, rootOf<PodTemplateSpec>());
};

test('of tens of thousands of ports that clash each with each, some are told of', () => {
  expect(manyPorts(() => ({ containerPort: 80 }))).toHaveLength(1_000);
  expect(manyPorts((i) => ({ containerPort: 80, hostPort: i === 0 ? 0 : i }))).toHaveLength(1_000);
});

test('tens of thousands of ports that do not clash are not compared each with each', () => {
  expect(manyPorts((i) => ({ containerPort: 80, hostPort: i + 1 }))).toEqual([]);
  expect(manyPorts((i) => ({ containerPort: 80, hostPort: 80, hostIP: `10.0.${i >> 8}.${i & 255}` }))).toEqual([]);
});

test('which ports clash, over addresses of hosts and none', () => {
  const ports = [
    { containerPort: 80, hostPort: 80, hostIP: '10.0.0.1' },
    { containerPort: 80, hostPort: 80, hostIP: '10.0.0.2' },
    { containerPort: 80, hostPort: 80 },
    { containerPort: 80, hostPort: 80, hostIP: '10.0.0.2' },
    { containerPort: 80 },
  ];
  const at = (i: number): string => `spec.containers[0].ports[${i}]`;
  expect(podWarnings({ spec: { containers: [container({ ports })] } }, rootOf<PodTemplateSpec>())).toEqual([
    `${at(2)}: dangerously ambiguous port definition with ${at(0)}`,
    `${at(2)}: dangerously ambiguous port definition with ${at(1)}`,
    `${at(3)}: duplicate port definition with ${at(1)}`,
    `${at(3)}: dangerously ambiguous port definition with ${at(2)}`,
    ...[0, 1, 2, 3].map((i) => `${at(4)}: overlapping port definition with ${at(i)}`),
  ]);
});
