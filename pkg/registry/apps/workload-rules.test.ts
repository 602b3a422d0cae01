/** What makers of pods may ask for besides their templates, and what their controllers may report. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, subresourceErrors, updateErrors } from '../testing.ts';

const labels = { app: 'web' };
const workload = (spec: object = {}, podSpec: object = {}): object => ({
  metadata: { name: 'web', namespace: 'default', resourceVersion: '1' },
  spec: {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'web' }], ...podSpec } },
    ...spec,
  },
});

const claim = (spec: object = {}): object => ({
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const mounting = { containers: [{ name: 'c', image: 'web', volumeMounts: [{ name: 'data', mountPath: '/d' }] }] };

test.each<[string, object, object, readonly string[]]>([
  ['a claim that its pods mount', { volumeClaimTemplates: [claim()] }, mounting, []],
  ['a mount of no claim', {}, mounting, ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"']],
  [
    'a claim without access modes',
    { volumeClaimTemplates: [claim({ accessModes: [] })] },
    {},
    ['spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required'],
  ],
  [
    'an unknown order of pods',
    { podManagementPolicy: 'Random' },
    {},
    ["spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'"],
  ],
  [
    'an unknown way to update',
    { updateStrategy: { type: 'Recreate' } },
    {},
    ['spec.updateStrategy: Invalid value: {"type":"Recreate"}: must be \'RollingUpdate\' or \'OnDelete\''],
  ],
  [
    'a partition of its own way to update',
    { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
    {},
    [
      'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy \'RollingUpdate\'',
    ],
  ],
  [
    'a partition below zero',
    { updateStrategy: { rollingUpdate: { partition: -1 } } },
    {},
    ['spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'an unknown policy for claims',
    { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Sell', whenScaled: 'Retain' } },
    {},
    [
      'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Sell": supported values: "Retain", "Delete"',
    ],
  ],
  [
    'ordinals below zero',
    { ordinals: { start: -1 } },
    {},
    ['spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'readiness below zero',
    { minReadySeconds: -1 },
    {},
    ['spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
  ],
])('a stateful set with %s', (_what, spec, podSpec, errors) => {
  expect(createErrors(strategyOf('statefulsets'), workload(spec, podSpec))).toEqual(errors);
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  [
    'an unknown way to update',
    { updateStrategy: { type: 'Recreate' } },
    ['spec.updateStrategy: Unsupported value: {"type":"Recreate"}: supported values: "RollingUpdate", "OnDelete"'],
  ],
  [
    'no room to roll',
    { updateStrategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 0 } } },
    ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0'],
  ],
  [
    'room on both sides',
    { updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } },
    ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
  ],
  [
    'more than all',
    { updateStrategy: { rollingUpdate: { maxUnavailable: '150%' } } },
    ['spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%'],
  ],
  [
    'another selector',
    { selector: { matchLabels: { app: 'x' } } },
    ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
  ],
  [
    'history below zero',
    { revisionHistoryLimit: -1 },
    ['spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0'],
  ],
])('a daemon set with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('daemonsets'), workload(spec))).toEqual(errors);
});

test.each<[string, object, readonly string[]]>([
  [
    'an unknown strategy',
    { strategy: { type: 'BlueGreen' } },
    ['spec.strategy: Unsupported value: {"type":"BlueGreen"}: supported values: "Recreate", "RollingUpdate"'],
  ],
  [
    'a deadline before readiness',
    { progressDeadlineSeconds: 5, minReadySeconds: 10 },
    ['spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds'],
  ],
  [
    'history below zero',
    { revisionHistoryLimit: -1 },
    ['spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0'],
  ],
  ['nothing wrong', { paused: true }, []],
])('a deployment with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('deployments'), workload(spec))).toEqual(errors);
});

test.each<[string, string, object, readonly string[]]>([
  [
    'deployments',
    'more ready than there are',
    { replicas: 1, readyReplicas: 2, updatedReplicas: 1, availableReplicas: 1 },
    ['status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas'],
  ],
  [
    'deployments',
    'less than none',
    { replicas: -1 },
    [
      'status.replicas: Invalid value: -1: must be greater than or equal to 0',
      'status.updatedReplicas: Invalid value: 0: cannot be greater than status.replicas',
      'status.readyReplicas: Invalid value: 0: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas',
    ],
  ],
  [
    'replicasets',
    'more available than ready',
    { replicas: 2, readyReplicas: 1, availableReplicas: 2 },
    ['status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas'],
  ],
  [
    'statefulsets',
    'more current than there are',
    { replicas: 1, currentReplicas: 2 },
    ['status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas'],
  ],
  [
    'daemonsets',
    'less than none',
    { currentNumberScheduled: -1 },
    ['status.currentNumberScheduled: Invalid value: -1: must be greater than or equal to 0'],
  ],
])('the status of %s with %s', (resource, _what, status, errors) => {
  const change: Change = (draft) => (draft.status = status);
  expect(subresourceErrors(strategyOf(resource), { object: workload(), subresource: 'status' }, change)).toEqual(
    errors,
  );
});

const replicated = (spec: object = {}): object => ({ ...workload({ selector: labels, ...spec }) });

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  ['no template', { template: undefined }, ['spec.template: Required value']],
  [
    'another selector',
    { selector: { app: 'x' } },
    ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'],
  ],
  ['fewer than none', { replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
])('a replication controller with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('replicationcontrollers'), replicated(spec))).toEqual(errors);
});

test('the data of a revision does not change', () => {
  const errors = ['data: Invalid value: {"a":2}: field is immutable'];
  const revision = { metadata: { name: 'r', namespace: 'default', resourceVersion: '1' }, data: { a: 1 }, revision: 1 };
  expect(updateErrors(strategyOf('controllerrevisions'), revision, (draft) => (draft.data = { a: 2 }))).toEqual(errors);
});
