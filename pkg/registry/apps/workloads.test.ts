import { expect, test } from 'vitest';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { created, createErrors, strategyOf, testContext, updateErrors } from '../testing.ts';

function workload(spec: object = {}, podSpec: object = {}): object {
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'c', image: 'web:1' }], ...podSpec },
      },
      ...spec,
    },
  };
}

test.each([
  [
    'deployments',
    {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    },
    {},
  ],
  ['replicasets', { replicas: 1 }, { replicas: 0 }],
  [
    'statefulsets',
    {
      replicas: 1,
      revisionHistoryLimit: 10,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0, maxUnavailable: 1 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    },
    { replicas: 0, availableReplicas: 0 },
  ],
  [
    'daemonsets',
    {
      revisionHistoryLimit: 10,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    },
    { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
  ],
])('new %s get their defaults and an empty status', (resource, spec, status) => {
  const draft = created(strategyOf(resource), { ...workload(), status: { replicas: 7 } });
  const { selector: _s, template: _t, ...rest } = draft.spec as Record<string, unknown>;
  expect([rest, draft.status]).toEqual([spec, status]);
});

test('a template does not get what only pods get', () => {
  const draft = created(strategyOf('deployments'), workload({}, {}));
  const { template } = draft.spec as { template: { spec: Record<string, unknown> } };
  expect(Object.keys(template.spec).sort()).toEqual([
    'containers',
    'dnsPolicy',
    'restartPolicy',
    'schedulerName',
    'securityContext',
    'terminationGracePeriodSeconds',
  ]);
});

const mismatch =
  'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`';

test.each<[string, string, object, readonly string[]]>([
  ['deployments', 'no selector', { selector: undefined }, ['spec.selector: Required value', mismatch]],
  [
    'deployments',
    'an empty selector',
    { selector: {} },
    ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
  ],
  ['deployments', 'another selector', { selector: { matchLabels: { app: 'x' } } }, [mismatch]],
  ['replicasets', 'another selector', { selector: { matchLabels: { app: 'x' } } }, [mismatch]],
  ['statefulsets', 'another selector', { selector: { matchLabels: { app: 'x' } } }, [mismatch]],
  [
    'deployments',
    'negative replicas',
    { replicas: -1 },
    ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [
    'deployments',
    'no room to roll',
    { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
  ],
  [
    'deployments',
    'a percentage that is none',
    { strategy: { rollingUpdate: { maxSurge: 'a lot' } } },
    [
      "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"a lot\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ],
  ],
  [
    'deployments',
    'rolling parameters without rolling',
    { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } },
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
])('%s with %s', (resource, _what, spec, errors) => {
  expect(createErrors(strategyOf(resource), workload(spec))).toEqual(errors);
});

test('pods of a deployment are always restarted', () => {
  expect(createErrors(strategyOf('deployments'), workload({}, { restartPolicy: 'Never' }))).toEqual([
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ]);
});

test('a selector does not change', () => {
  const errors = updateErrors(strategyOf('deployments'), workload(), (draft) => {
    draft.spec.selector = { matchLabels: { app: 'x' } };
  });
  expect(errors).toEqual([mismatch, 'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable']);
});

test('a stateful set changes only in what its controller can follow', () => {
  const sets = strategyOf('statefulsets');
  const scaled = updateErrors(sets, workload(), (draft) => {
    draft.spec.replicas = 3;
  });
  const renamed = updateErrors(sets, workload(), (draft) => {
    draft.spec.serviceName = 'other';
  });
  expect([scaled, renamed]).toEqual([
    [],
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  ]);
});

test('the templates of a daemon set are counted by nobody else', () => {
  const sets = strategyOf('daemonsets');
  const old = created(sets, workload()) as KubeObject;
  const counted = (change: (draft: JsonObject) => void, subresource = ''): unknown => {
    const draft = structuredClone(old) as JsonObject;
    change(draft);
    const rules = subresource === '' ? sets : sets.subresources?.[subresource];
    rules?.prepareForUpdate?.(draft, old, testContext());
    return (draft.metadata as JsonObject).annotations;
  };
  const name = 'deprecated.daemonset.template.generation';
  const annotate = (draft: JsonObject): void => {
    (draft.metadata as JsonObject).annotations = { a: 'b' };
  };
  expect([counted(annotate), counted(annotate, 'status')]).toEqual([
    { a: 'b', [name]: '1' },
    { a: 'b', [name]: '1' },
  ]);
  const other = counted((draft) => Object.assign((draft.spec as JsonObject).template as object, { spec: {} }));
  expect(other).toEqual({ [name]: '2' });
});

test('a job selects its pods by its uid', () => {
  const draft = created(strategyOf('jobs'), {
    metadata: { name: 'j', uid: 'u' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } } },
  });
  expect(draft.spec).toMatchObject({
    completions: 1,
    parallelism: 1,
    backoffLimit: 6,
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
    template: {
      metadata: {
        labels: {
          'batch.kubernetes.io/controller-uid': 'u',
          'batch.kubernetes.io/job-name': 'j',
          'controller-uid': 'u',
          'job-name': 'j',
        },
      },
    },
  });
});

test.each<[string, readonly string[]]>([
  ['*/5 * * * *', []],
  ['0 0 1 jan sun', []],
  ['@hourly', []],
  ['* * * *', ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]']],
  ['61 * * * *', ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61']],
])('a cron job with the schedule %j', (schedule, errors) => {
  const template = { spec: { restartPolicy: 'OnFailure', containers: [{ name: 'c', image: 'x' }] } };
  const object = { metadata: { name: 'c' }, spec: { schedule, jobTemplate: { spec: { template } } } };
  expect(createErrors(strategyOf('cronjobs'), object)).toEqual(errors);
});

test('the scale of a deployment has its selector as text', () => {
  const selector = {
    matchLabels: { b: '2', a: '1' },
    matchExpressions: [{ key: 'c', operator: 'In', values: ['y', 'x'] }],
  };
  const object = { spec: { selector } } as KubeObject;
  expect(strategyOf('deployments').scale!.selector(object)).toBe('a=1,b=2,c in (x,y)');
});

test('a deployment is printed so', () => {
  const object = {
    ...created(strategyOf('deployments'), workload({ replicas: 3 })),
    metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z' },
    status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
  } as KubeObject;
  const { columns, cells } = strategyOf('deployments').table!;
  expect(columns.map(({ name, priority = 0 }) => `${name}${priority}`)).toEqual([
    'Name0',
    'Ready0',
    'Up-to-date0',
    'Available0',
    'Age0',
    'Containers1',
    'Images1',
    'Selector1',
  ]);
  expect(cells(object, Date.parse('2026-01-01T00:00:09Z'))).toEqual([
    'web',
    '2/3',
    3,
    2,
    '9s',
    'c',
    'web:1',
    'app=web',
  ]);
});
