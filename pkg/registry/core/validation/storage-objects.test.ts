/** Volumes, claims, and the objects that bound what a namespace uses. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, subresourceErrors, updateErrors } from '../../testing.ts';

const metadata = { name: 'x', namespace: 'default', resourceVersion: '1' };
const storage = { storage: '1Gi' };

const volumes = strategyOf('persistentvolumes');
const volume = (spec: object): object => ({
  metadata: { name: 'x', resourceVersion: '1' },
  spec: { capacity: storage, accessModes: ['ReadWriteOnce'], hostPath: { path: '/d' }, ...spec },
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  ['no access modes', { accessModes: [] }, ['spec.accessModes: Required value']],
  [
    'an unknown access mode',
    { accessModes: ['WriteOnly'] },
    [
      'spec.accessModes: Unsupported value: "WriteOnly": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
    ],
  ],
  [
    'one pod and more',
    { accessModes: ['ReadWriteOncePod', 'ReadOnlyMany'] },
    ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
  ],
  [
    'no capacity',
    { capacity: {} },
    ['spec.capacity: Required value', 'spec.capacity: Unsupported value: {}: supported values: "storage"'],
  ],
  [
    'a capacity of zero',
    { capacity: { storage: '0' } },
    ['spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
  ],
  [
    'two sources',
    { nfs: { server: 's', path: '/p' } },
    ['spec.nfs: Forbidden: may not specify more than 1 volume type'],
  ],
  ['no source', { hostPath: undefined }, ['spec: Required value: must specify a volume type']],
  [
    'an unknown way to reclaim',
    { persistentVolumeReclaimPolicy: 'Burn' },
    ['spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"'],
  ],
  [
    'a recycled root',
    { hostPath: { path: '/' }, persistentVolumeReclaimPolicy: 'Recycle' },
    ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
  ],
  [
    'a local folder without node',
    { hostPath: undefined, local: { path: '/d' } },
    ['spec.nodeAffinity: Required value: Local volume requires node affinity'],
  ],
  [
    'an unknown mode',
    { volumeMode: 'Tape' },
    ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
  ],
])('a volume with %s', (_what, spec, errors) => {
  expect(createErrors(volumes, volume(spec))).toEqual(errors);
});

test('the source of a volume does not change', () => {
  const errors = ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation'];
  expect(updateErrors(volumes, volume({}), (draft) => (draft.spec.hostPath.path = '/e'))).toEqual(errors);
});

const claims = strategyOf('persistentvolumeclaims');
const claim = (spec: object): object => ({
  metadata,
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: storage }, ...spec },
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', {}, []],
  ['no access modes', { accessModes: [] }, ['spec.accessModes: Required value: at least 1 access mode is required']],
  ['no size', { resources: {} }, ['spec.resources[storage]: Required value']],
  [
    'a size of zero',
    { resources: { requests: { storage: '0' } } },
    ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
  ],
  [
    'a class that is no name',
    { storageClassName: 'A_' },
    [
      "spec.storageClassName: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'a source of an unknown kind',
    { dataSource: { kind: 'Pod', name: 'p' } },
    ['spec.dataSource: Invalid value: "Pod": must be \'PersistentVolumeClaim\' when referencing the default apiGroup'],
  ],
  [
    'a source without kind',
    { dataSource: { name: 'p' } },
    [
      'spec.dataSource.kind: Required value',
      'spec.dataSource: Invalid value: "": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
    ],
  ],
  [
    'a selector that is none',
    { selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    ["spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"],
  ],
])('a claim with %s', (_what, spec, errors) => {
  expect(createErrors(claims, claim(spec))).toEqual(errors);
});

test.each<[string, Change, readonly string[]]>([
  ['a volume', (draft) => (draft.spec.volumeName = 'v'), []],
  ['more', (draft) => (draft.spec.resources.requests.storage = '2Gi'), []],
  [
    'another mode',
    (draft) => (draft.spec.volumeMode = 'Block'),
    [
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      'volumeMode: Invalid value: "Block": field is immutable',
    ],
  ],
])('a claim that gets %s', (_what, change, errors) => {
  const bound = { ...claim({}), status: { phase: 'Bound' } };
  expect(updateErrors(claims, bound, change)).toEqual(errors);
});

const quotas = strategyOf('resourcequotas');
const quota = (spec: object): object => ({ metadata, spec });

test.each<[string, object, readonly string[]]>([
  ['counts', { hard: { pods: '1', 'count/deployments.apps': '2', 'requests.cpu': '1' } }, []],
  ['half a pod', { hard: { pods: '500m' } }, ['spec.hard[pods]: Invalid value: "500m": must be an integer']],
  [
    'less than nothing',
    { hard: { 'requests.cpu': '-1' } },
    ['spec.hard[requests.cpu]: Invalid value: "-1": must be greater than or equal to 0'],
  ],
  [
    'an unknown resource',
    { hard: { gpu: '1' } },
    [
      'spec.hard[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.hard[gpu]: Invalid value: "gpu": must be a standard resource for quota',
    ],
  ],
  ['an unknown scope', { scopes: ['Some'] }, ['spec.scopes: Invalid value: ["Some"]: unsupported scope']],
  [
    'opposite scopes',
    { scopes: ['BestEffort', 'NotBestEffort'] },
    ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'],
  ],
  [
    'a resource that is not of the scope',
    { hard: { 'requests.cpu': '1' }, scopes: ['BestEffort'] },
    ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
  ],
  [
    'a class in an unknown set',
    { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'Near', values: ['a'] }] } },
    ['spec.scopeSelector.matchExpressions.operator: Invalid value: "Near": not a valid selector operator'],
  ],
  [
    'a scope with values',
    { scopeSelector: { matchExpressions: [{ scopeName: 'Terminating', operator: 'Exists', values: ['a'] }] } },
    [
      "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
    ],
  ],
])('a quota of %s', (_what, spec, errors) => {
  expect(createErrors(quotas, quota(spec))).toEqual(errors);
});

test('the scopes of a quota do not change', () => {
  const errors = ['spec.scopes: Invalid value: ["BestEffort"]: field is immutable'];
  expect(updateErrors(quotas, quota({ hard: { pods: '1' } }), (draft) => (draft.spec.scopes = ['BestEffort']))).toEqual(
    errors,
  );
});

test('a quota does not count less than nothing', () => {
  const errors = ['status.used[pods]: Invalid value: "-1": must be greater than or equal to 0'];
  const change: Change = (draft) => (draft.status = { hard: { pods: '1' }, used: { pods: '-1' } });
  expect(subresourceErrors(quotas, { object: quota({ hard: { pods: '1' } }), subresource: 'status' }, change)).toEqual(
    errors,
  );
});

test.each<[string, object, readonly string[]]>([
  [
    'an order',
    { type: 'Container', min: { cpu: '1' }, defaultRequest: { cpu: '2' }, default: { cpu: '3' }, max: { cpu: '4' } },
    [],
  ],
  [
    'a minimum above the maximum',
    { type: 'Pod', min: { cpu: '2' }, max: { cpu: '1' } },
    ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
  ],
  [
    'a request below the minimum',
    { type: 'Container', min: { cpu: '2' }, defaultRequest: { cpu: '1' } },
    ['spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1'],
  ],
  [
    'a default above the maximum',
    { type: 'Container', default: { cpu: '2' }, max: { cpu: '1' } },
    [
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1',
      'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
    ],
  ],
  [
    'a default for pods',
    { type: 'Pod', default: { cpu: '2' } },
    ["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
  ],
  [
    'a ratio below one',
    { type: 'Pod', maxLimitRequestRatio: { cpu: '500m' } },
    ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
  ],
  [
    'a claim without bounds',
    { type: 'PersistentVolumeClaim', max: {} },
    [
      'spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
    ],
  ],
  [
    'an unknown type',
    { type: 'House', max: { cpu: '1' } },
    ['spec.limits[0].type: Invalid value: "House": must be a standard limit type or fully qualified'],
  ],
])('a limit with %s', (_what, limit, errors) => {
  expect(createErrors(strategyOf('limitranges'), { metadata, spec: { limits: [limit] } })).toEqual(errors);
});
