import { expect, test } from 'vitest';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { type Change, created, createErrors, strategyOf, testContext, updateErrors } from '../testing.ts';
import { imageTag } from './pod-defaults.ts';

const pods = strategyOf('pods');

function pod(spec: object = {}, container: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'web:1', ...container }], ...spec },
  };
}

const containerDefaults = {
  imagePullPolicy: 'IfNotPresent',
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  resources: {},
};

test('a pod gets every default once, and defaulting again changes nothing', () => {
  const draft = created(pods, pod());
  expect(draft.spec).toEqual({
    containers: [{ name: 'c', image: 'web:1', ...containerDefaults }],
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
  const again = structuredClone(draft);
  pods.setDefaults!(again);
  expect(again).toEqual(draft);
});

test.each([
  ['nginx', 'latest'],
  ['nginx:latest', 'latest'],
  ['nginx:1.2', '1.2'],
  ['registry:5000/nginx', 'latest'],
  ['registry:5000/nginx:3', '3'],
  ['nginx@sha256:abc', ''],
  ['nginx:latest@sha256:abc', 'latest'],
  ['', ''],
])('the tag of %j is %j', (image, tag) => {
  expect(imageTag(image)).toBe(tag);
});

test.each([
  [{ emptyDir: {} }, {}],
  [{ secret: { secretName: 's', defaultMode: 420 } }, { secret: { secretName: 's' } }],
  [{ hostPath: { path: '/x', type: '' } }, { hostPath: { path: '/x' } }],
  [
    { projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 3600 } }] } },
    { projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
  ],
])('a volume becomes %j', (wanted, source) => {
  const draft = created(pods, pod({ volumes: [{ name: 'v', ...source }] }));
  expect((draft.spec as { volumes: unknown[] }).volumes).toEqual([{ name: 'v', ...wanted }]);
});

test.each([
  ['BestEffort', {}],
  ['Burstable', { requests: { cpu: '1' } }],
  ['Guaranteed', { limits: { cpu: '1', memory: '1Gi' } }],
  ['Guaranteed', { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } }],
  ['Burstable', { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } }],
])('a new pod is Pending and %s with resources %j', (qosClass, resources) => {
  expect(created(pods, pod({}, { resources })).status).toEqual({ phase: 'Pending', qosClass });
});

test.each<[string, object, object, readonly string[]]>([
  ['nothing wrong', {}, {}, []],
  ['no containers', { containers: [] }, {}, ['spec.containers: Required value']],
  [
    'a name that is no label',
    {},
    { name: 'A' },
    [
      "spec.containers[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  ['no image', {}, { image: '' }, ['spec.containers[0].image: Required value']],
  [
    'an unknown restart policy',
    { restartPolicy: 'Sometimes' },
    {},
    ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    'a port out of range and a port name twice',
    {},
    {
      ports: [
        { name: 'http', containerPort: 70000 },
        { name: 'http', containerPort: 80 },
      ],
    },
    [
      'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'spec.containers[0].ports[1].name: Duplicate value: "http"',
    ],
  ],
  [
    'a mount of a volume that is not there',
    {},
    { volumeMounts: [{ name: 'v', mountPath: '/x' }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    'a request above the limit',
    {},
    { resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } },
    ['spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'],
  ],
  [
    'a probe with two handlers',
    {},
    { livenessProbe: { httpGet: { port: 80 }, tcpSocket: { port: 80 } } },
    ['spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type'],
  ],
  [
    'a liveness probe that must succeed twice',
    {},
    { livenessProbe: { successThreshold: 2, httpGet: { port: 'http' } } },
    ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
  ],
  [
    'an environment variable from nothing',
    {},
    { env: [{ name: 'A', valueFrom: {} }] },
    [
      'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
    ],
  ],
  [
    'a toleration of everything that is no Exists',
    { tolerations: [{ operator: 'Equal' }] },
    {},
    [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
  ],
  [
    'a volume of two types',
    { volumes: [{ name: 'v', emptyDir: {}, configMap: { name: 'c' } }] },
    {},
    ['spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'a probe on an init container that ends',
    { initContainers: [{ name: 'i', image: 'x', readinessProbe: { exec: { command: ['true'] } } }] },
    {},
    [
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  ],
])('creating a pod with %s', (_what, spec, container, errors) => {
  expect(createErrors(pods, pod(spec, container))).toEqual(errors);
});

const mayNotChange =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

test.each<[string, Change, readonly string[]]>([
  ['image', (draft) => (draft.spec.containers[0].image = 'web:2'), []],
  ['labels', (draft) => (draft.metadata.labels = { a: 'b' }), []],
  ['tolerations', (draft) => (draft.spec.tolerations = [{ operator: 'Exists' }]), []],
  ['dnsPolicy', (draft) => (draft.spec.dnsPolicy = 'Default'), [mayNotChange]],
  ['nodeName', (draft) => (draft.spec.nodeName = 'n'), [mayNotChange]],
  [
    'the number of containers',
    (draft) => draft.spec.containers.push({ name: 'd', image: 'x' }),
    ['spec.containers: Forbidden: pod updates may not add or remove containers'],
  ],
])('changing %s of a pod', (_what, change, errors) => {
  expect(updateErrors(pods, pod(), change)).toEqual(errors);
});

test('a name that is no host name is warned about', () => {
  const warnings: string[] = [];
  const draft = { ...pod(), metadata: { name: 'a.b' } };
  pods.prepareForCreate!(draft as never, { ...testContext(), warn: (message) => warnings.push(message) });
  expect(warnings).toEqual([
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
  ]);
});

test('ephemeral containers come after the pod', () => {
  const given = pod({ ephemeralContainers: [{ name: 'd', image: 'x' }] });
  expect(createErrors(pods, given)).toEqual(['spec.ephemeralContainers: Forbidden: cannot be set on create']);
});

test('the status subresource changes neither the spec nor the quality of service', () => {
  const old = created(pods, pod()) as KubeObject;
  const draft = structuredClone(old) as never as Record<string, unknown>;
  draft.spec = {};
  draft.status = { phase: 'Running', qosClass: 'Guaranteed' };
  pods.subresources!.status!.prepareForUpdate!(draft, old, testContext());
  expect(draft).toEqual({ ...old, status: { phase: 'Running', qosClass: 'BestEffort' } });
});

test.each<[string, object, number | undefined, number | undefined]>([
  ['unscheduled', { spec: {} }, undefined, undefined],
  ['finished', { spec: { nodeName: 'n' }, status: { phase: 'Succeeded' } }, 10, undefined],
  ['running', { spec: { nodeName: 'n', terminationGracePeriodSeconds: 5 } }, undefined, 5],
  ['running', { spec: { nodeName: 'n', terminationGracePeriodSeconds: 5 } }, 60, 60],
  ['running', { spec: { nodeName: 'n' } }, 0, undefined],
  ['running', { spec: { nodeName: 'n' } }, -1, 1],
])('a pod that is %s (%j), asked for %s s, gets %s s', (_what, object, requested, wanted) => {
  expect(pods.gracefulDeletion!(object as KubeObject, requested)).toBe(wanted);
});

const now = Date.parse('2026-01-01T01:00:00Z');

function row(status: object, extra: object = {}): readonly unknown[] {
  const object = {
    metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z', ...extra },
    spec: { containers: [{ name: 'c' }], initContainers: [{ name: 'i' }] },
    status,
  };
  return pods.table!.cells(object as KubeObject, now).slice(0, 5);
}

const running = { ready: true, restartCount: 0, state: { running: {} } };

test.each<[string, object, object, readonly unknown[]]>([
  ['pending', { phase: 'Pending' }, {}, ['web', '0/1', 'Pending', '0', '60m']],
  ['running', { phase: 'Running', containerStatuses: [running] }, {}, ['web', '1/1', 'Running', '0', '60m']],
  [
    'crashing',
    {
      phase: 'Running',
      containerStatuses: [
        {
          restartCount: 3,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { finishedAt: '2026-01-01T00:55:00Z' } },
        },
      ],
    },
    {},
    ['web', '0/1', 'CrashLoopBackOff', '3 (5m ago)', '60m'],
  ],
  [
    'initializing',
    { phase: 'Pending', initContainerStatuses: [{ name: 'i', restartCount: 0, state: { running: {} } }] },
    {},
    ['web', '0/1', 'Init:0/1', '0', '60m'],
  ],
  [
    'failed to initialize',
    {
      phase: 'Pending',
      initContainerStatuses: [{ name: 'i', restartCount: 1, state: { terminated: { exitCode: 1, reason: 'Error' } } }],
    },
    {},
    ['web', '0/1', 'Init:Error', '1', '60m'],
  ],
  [
    'completed',
    { phase: 'Succeeded', containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }] },
    {},
    ['web', '0/1', 'Completed', '0', '60m'],
  ],
  [
    'terminating',
    { phase: 'Running', containerStatuses: [running] },
    { deletionTimestamp: '2026-01-01T00:59:00Z' },
    ['web', '1/1', 'Terminating', '0', '60m'],
  ],
])('a pod that is %s is printed so', (_what, status, metadata, cells) => {
  expect(row(status, metadata)).toEqual(cells);
});
