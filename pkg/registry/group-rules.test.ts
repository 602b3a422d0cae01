/** Kinds whose groups are small: autoscaling, policy, RBAC, scheduling, storage, leases, runtime classes. */
import { expect, test } from 'vitest';
import { type Change, createErrors, strategyOf, updateErrors } from './testing.ts';

const metadata = { name: 'web', namespace: 'default', resourceVersion: '1' };
const scaleTargetRef = { kind: 'Deployment', name: 'web' };
const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } };

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', { metrics: [cpu] }, []],
  [
    'bounds the wrong way round',
    { minReplicas: 5, maxReplicas: 2 },
    ['spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`'],
  ],
  [
    'a bound of zero',
    { minReplicas: 0, maxReplicas: 0 },
    [
      'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
    ],
  ],
  [
    'no target',
    { scaleTargetRef: {} },
    ['spec.scaleTargetRef.kind: Required value', 'spec.scaleTargetRef.name: Required value'],
  ],
  [
    'a metric of no type',
    { metrics: [{}] },
    ['spec.metrics[0].type: Required value: must specify a metric source type'],
  ],
  [
    'a metric of another type',
    { metrics: [{ type: 'Pods', resource: cpu.resource }] },
    ['spec.metrics[0].pods: Required value: must populate information for the given metric source'],
  ],
  [
    'a metric without target',
    { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization' } } }] },
    [
      'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
    ],
  ],
  [
    'a use of zero',
    {
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 0 } } },
      ],
    },
    ['spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0'],
  ],
  [
    'a metric of no object',
    {
      metrics: [
        {
          type: 'Object',
          object: { metric: { name: 'a' }, target: { type: 'Value', value: '1' }, describedObject: {} },
        },
      ],
    },
    [
      'spec.metrics[0].object.describedObject.kind: Required value',
      'spec.metrics[0].object.describedObject.name: Required value',
    ],
  ],
  [
    'too long a look back',
    {
      behavior: {
        scaleDown: { stabilizationWindowSeconds: 3601, policies: [{ type: 'Pods', value: 1, periodSeconds: 15 }] },
      },
    },
    ['spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600'],
  ],
  [
    'a step of no size',
    { behavior: { scaleUp: { policies: [{ type: 'Pods', value: 0, periodSeconds: 0 }] } } },
    [
      'spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero',
      'spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 0: must be greater than zero',
    ],
  ],
  [
    'a step of unknown kind',
    { behavior: { scaleUp: { policies: [{ type: 'Nodes', value: 1, periodSeconds: 15 }] } } },
    ['spec.behavior.scaleUp.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"'],
  ],
])('an autoscaler with %s', (_what, spec, errors) => {
  const object = { metadata, spec: { scaleTargetRef, maxReplicas: 3, ...spec } };
  expect(createErrors(strategyOf('horizontalpodautoscalers'), object)).toEqual(errors);
});

test.each<[string, object, readonly string[]]>([
  ['nothing wrong', { minAvailable: '50%', selector: {} }, []],
  [
    'both bounds',
    { minAvailable: 1, maxUnavailable: 1 },
    ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'],
  ],
  [
    'a bound below zero',
    { minAvailable: -1 },
    ['spec.minAvailable: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'more than all',
    { maxUnavailable: '101%' },
    ['spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
  ],
  [
    'a part that is none',
    { maxUnavailable: 'most' },
    [
      "spec.maxUnavailable: Invalid value: \"most\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ],
  ],
  [
    'an unknown policy for what is not ready',
    { unhealthyPodEvictionPolicy: 'Never' },
    ['spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"'],
  ],
])('a disruption budget with %s', (_what, spec, errors) => {
  expect(createErrors(strategyOf('poddisruptionbudgets'), { metadata, spec })).toEqual(errors);
});

const rule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' };
const user = { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'u' };

test.each<[string, string, object, readonly string[]]>([
  [
    'roles',
    'no verb',
    { rules: [{ ...rule, verbs: [] }] },
    ['rules[0].verbs: Required value: verbs must contain at least one value'],
  ],
  [
    'roles',
    'no group',
    { rules: [{ ...rule, apiGroups: [] }] },
    ['rules[0].apiGroups: Required value: resource rules must supply at least one api group'],
  ],
  [
    'roles',
    'no resource',
    { rules: [{ ...rule, resources: [] }] },
    ['rules[0].resources: Required value: resource rules must supply at least one resource'],
  ],
  [
    'roles',
    'paths',
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/'] }] },
    ['rules[0].nonResourceURLs: Invalid value: ["/"]: namespaced rules cannot apply to non-resource URLs'],
  ],
  [
    'clusterroles',
    'paths and resources',
    { rules: [{ ...rule, nonResourceURLs: ['/'] }] },
    [
      'rules[0].nonResourceURLs: Invalid value: ["/"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
  ],
  [
    'clusterroles',
    'a selector that is none',
    { aggregationRule: { clusterRoleSelectors: [] } },
    [
      'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
    ],
  ],
  ['rolebindings', 'nothing wrong', { roleRef, subjects: [user] }, []],
  [
    'rolebindings',
    'a role of an unknown kind',
    { roleRef: { ...roleRef, kind: 'Pod' } },
    ['roleRef.kind: Unsupported value: "Pod": supported values: "Role", "ClusterRole"'],
  ],
  ['rolebindings', 'a role without name', { roleRef: { ...roleRef, name: '' } }, ['roleRef.name: Required value']],
  [
    'rolebindings',
    'a subject of an unknown kind',
    { roleRef, subjects: [{ kind: 'Robot', name: 'u' }] },
    ['subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"'],
  ],
  [
    'rolebindings',
    'a service account that is none',
    { roleRef, subjects: [{ kind: 'ServiceAccount', name: 'A_', namespace: 'x' }] },
    [
      "subjects[0].name: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'rolebindings',
    'a user of no group',
    { roleRef, subjects: [{ ...user, apiGroup: 'x' }] },
    ['subjects[0].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"'],
  ],
  [
    'clusterrolebindings',
    'a role in a namespace',
    { roleRef },
    ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'],
  ],
  [
    'clusterrolebindings',
    'a service account without namespace',
    { roleRef: { ...roleRef, kind: 'ClusterRole' }, subjects: [{ kind: 'ServiceAccount', name: 'a' }] },
    ['subjects[0].namespace: Required value'],
  ],
])('%s with %s', (resource, _what, object, errors) => {
  expect(createErrors(strategyOf(resource), { metadata, ...object })).toEqual(errors);
});

test.each<[string, string, object, readonly string[]]>([
  [
    'priorityclasses',
    'too much',
    { value: 2_000_000_000 },
    ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000'],
  ],
  [
    'priorityclasses',
    'an unknown policy',
    { value: 1, preemptionPolicy: 'Maybe' },
    ['preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"'],
  ],
  [
    'priorityclasses',
    'a name of the system',
    { metadata: { name: 'system-mine' }, value: 1 },
    [
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
    ],
  ],
  [
    'leases',
    'no length',
    { spec: { leaseDurationSeconds: 0 } },
    ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
  ],
  [
    'leases',
    'fewer than no transitions',
    { spec: { leaseTransitions: -1 } },
    ['spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0'],
  ],
  ['leases', 'a holder of no name', { spec: { holderIdentity: '' } }, []],
  [
    'runtimeclasses',
    'a handler that is none',
    { handler: 'A_' },
    [
      "handler: Invalid value: \"A_\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'runtimeclasses',
    'less than no cost',
    { handler: 'a', overhead: { podFixed: { cpu: '-1' } } },
    ['overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
  ],
  ['storageclasses', 'nothing wrong', { provisioner: 'a.io/b' }, []],
  ['storageclasses', 'no provisioner', { provisioner: '' }, ['provisioner: Required value']],
  [
    'storageclasses',
    'an unknown time to bind',
    { provisioner: 'a.io/b', volumeBindingMode: 'Later' },
    ['volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'],
  ],
  [
    'storageclasses',
    'an unknown way to reclaim',
    { provisioner: 'a.io/b', reclaimPolicy: 'Recycle' },
    ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
  ],
  [
    'storageclasses',
    'a parameter without name',
    { provisioner: 'a.io/b', parameters: { '': 'a' } },
    ['parameters: Invalid value: "": field can not be empty.'],
  ],
  [
    'csidrivers',
    'an unknown policy for groups',
    { spec: { fsGroupPolicy: 'Some' } },
    ['spec.fsGroupPolicy: Unsupported value: "Some": supported values: "File", "None", "ReadWriteOnceWithFSType"'],
  ],
  [
    'csidrivers',
    'an unknown life of volumes',
    { spec: { volumeLifecycleModes: ['Eternal'] } },
    ['spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Ephemeral", "Persistent"'],
  ],
  [
    'csidrivers',
    'two tokens for one audience',
    { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'a' }] } },
    ['spec.tokenRequests[1].audience: Duplicate value: "a"'],
  ],
  [
    'csinodes',
    'a driver without node',
    { spec: { drivers: [{ name: 'a', nodeID: '' }] } },
    ['spec.drivers[0].nodeID: Required value'],
  ],
  [
    'csinodes',
    'a driver twice',
    {
      spec: {
        drivers: [
          { name: 'a', nodeID: 'n' },
          { name: 'a', nodeID: 'n' },
        ],
      },
    },
    ['spec.drivers[1].name: Duplicate value: "a"'],
  ],
  [
    'volumeattachments',
    'nothing attached',
    { spec: { attacher: 'a', nodeName: 'n', source: {} } },
    ['spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName'],
  ],
  [
    'volumeattachments',
    'no node',
    { spec: { attacher: 'a', nodeName: '', source: { persistentVolumeName: 'v' } } },
    ['spec.nodeName: Required value'],
  ],
  ['csistoragecapacities', 'no class', { metadata, storageClassName: '' }, ['storageClassName: Required value']],
])('%s of %s', (resource, _what, object, errors) => {
  expect(createErrors(strategyOf(resource), { metadata: { name: 'web' }, ...object })).toEqual(errors);
});

test.each<[string, object, Change, readonly string[]]>([
  [
    'priorityclasses',
    { value: 1 },
    (draft) => (draft.value = 2),
    ['value: Forbidden: may not be changed in an update.'],
  ],
  [
    'rolebindings',
    { roleRef },
    (draft) => (draft.roleRef.name = 'other'),
    [
      'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"other"}: cannot change roleRef',
    ],
  ],
  [
    'storageclasses',
    { provisioner: 'a.io/b' },
    (draft) => (draft.provisioner = 'c.io/d'),
    ['provisioner: Forbidden: updates to provisioner are forbidden.'],
  ],
  [
    'storageclasses',
    { provisioner: 'a.io/b' },
    (draft) => (draft.parameters = { a: 'b' }),
    ['parameters: Forbidden: updates to parameters are forbidden.'],
  ],
  [
    'runtimeclasses',
    { handler: 'a' },
    (draft) => (draft.handler = 'b'),
    ['handler: Invalid value: "b": field is immutable'],
  ],
  [
    'csidrivers',
    { spec: {} },
    (draft) => (draft.spec.attachRequired = false),
    ['spec.attachRequired: Invalid value: false: field is immutable'],
  ],
  [
    'volumeattachments',
    { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'v' } } },
    (draft) => (draft.spec.nodeName = 'm'),
    ['spec: Invalid value: {"attacher":"a","nodeName":"m","source":{"persistentVolumeName":"v"}}: field is immutable'],
  ],
])('what %s are is fixed', (resource, object, change, errors) => {
  expect(updateErrors(strategyOf(resource), { metadata, ...object }, change)).toEqual(errors);
});
