/** The behaviours that say of one resource that it supports the API's operations. */
import { type Operations, supportsApiOperations } from './api-operations.ts';
import { behaviour } from './behaviour.ts';

type Row = readonly [name: string, object: Operations['object'], options?: Omit<Operations, 'object'>];

const template = {
  metadata: { labels: { app: 'x' } },
  spec: { containers: [{ name: 'c', image: 'coxswain.dev/job:v1' }] },
};
const timed = {
  type: 'StatusUpdate',
  status: 'True',
  reason: 'E2E',
  message: 'Set from a test',
  lastTransitionTime: '2026-01-02T03:04:05Z',
};
const matchResources = {
  resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }],
};
const certificateRequest = [
  '-----BEGIN CERTIFICATE REQUEST-----',
  'MIHrMIGSAgEAMDAxDDAKBgNVBAMMA2UyZTEgMB4GA1UECgwXc3lzdGVtOmF1dGhlbnRpY2F0ZWQxMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE',
  '-----END CERTIFICATE REQUEST-----',
  '',
].join('\n');

const rows: readonly Row[] = [
  [
    '[sig-api-machinery] API priority and fairness should support FlowSchema API operations',
    {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'FlowSchema',
      spec: {
        matchingPrecedence: 10_000,
        priorityLevelConfiguration: { name: 'global-default' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'example-e2e-flow-schema' } }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          },
        ],
      },
    },
    { status: { conditions: [{ ...timed, type: 'E2E' }] } },
  ],
  [
    '[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations',
    {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'PriorityLevelConfiguration',
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    },
    { status: { conditions: [{ ...timed, type: 'E2E' }] } },
  ],
  [
    '[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicy API operations',
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicy',
      spec: {
        matchConstraints: matchResources,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: 2}}' },
          },
        ],
      },
    },
  ],
  [
    '[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicyBinding API operations',
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicyBinding',
      spec: { policyName: 'replicas.policy.example.com' },
    },
  ],
  [
    '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API operations',
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      spec: { matchConstraints: matchResources, validations: [{ expression: 'object.spec.replicas <= 100' }] },
    },
    { status: { conditions: [{ ...timed, observedGeneration: 1 }] } },
  ],
  [
    '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicyBinding API operations',
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      spec: { policyName: 'replicas.policy.example.com', validationActions: ['Deny'] },
    },
  ],
  [
    '[sig-apps] CronJob should support CronJob API operations',
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      spec: {
        schedule: '*/1 * * * ?',
        concurrencyPolicy: 'Allow',
        jobTemplate: { spec: { template: { ...template, spec: { ...template.spec, restartPolicy: 'OnFailure' } } } },
      },
    },
    { status: { lastScheduleTime: '2026-01-02T03:04:05Z' }, statusTakesAnnotations: true },
  ],
  [
    '[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations',
    {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      spec: {
        request: Buffer.from(certificateRequest).toString('base64'),
        signerName: 'example.com/e2e',
        expirationSeconds: 3600,
        usages: ['digital signature', 'key encipherment', 'client auth'],
      },
    },
    { status: { conditions: [timed] }, statusTakesAnnotations: true, approvals: ['approval'] },
  ],
  [
    '[sig-network] EndpointSlice should support creating EndpointSlice API operations',
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType: 'IPv4',
      endpoints: [{ addresses: ['1.2.3.4', '5.6.7.8'] }],
    },
  ],
  [
    '[sig-network] Ingress API should support creating Ingress API operations',
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      spec: { defaultBackend: { service: { name: 'default-backend', port: { number: 80 } } } },
    },
    { status: { loadBalancer: { ingress: [{ ip: '169.1.1.1' }] } }, statusTakesAnnotations: true },
  ],
  [
    '[sig-network] IngressClass API should support creating IngressClass API operations',
    { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', spec: { controller: 'example.com/controller' } },
  ],
  [
    '[sig-node] RuntimeClass should support RuntimeClasses API operations',
    { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', handler: 'conformance' },
  ],
  [
    '[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass',
    { apiVersion: 'resource.k8s.io/v1', kind: 'DeviceClass', spec: {} },
  ],
  [
    '[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim',
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      spec: { devices: { requests: [{ name: 'req-0', exactly: { deviceClassName: 'my-class' } }] } },
    },
    { status: { allocation: { devices: {} } } },
  ],
  [
    '[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate',
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      spec: { spec: { devices: { requests: [{ name: 'req-0', exactly: { deviceClassName: 'my-class' } }] } } },
    },
  ],
  [
    '[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice',
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceSlice',
      spec: {
        nodeName: 'no-such-node',
        driver: 'dra.example.com',
        pool: { name: 'cluster', resourceSliceCount: 1, generation: 1 },
        devices: [{ name: 'device-0' }],
      },
    },
  ],
  [
    '[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations',
    { apiVersion: 'storage.k8s.io/v1', kind: 'CSIStorageCapacity', storageClassName: 'some-sc', capacity: '1Gi' },
  ],
  [
    '[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      spec: { attachRequired: false, volumeLifecycleModes: ['Ephemeral'] },
    },
  ],
  [
    '[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API',
    {
      apiVersion: 'v1',
      kind: 'Pod',
      spec: {
        nodeName: 'no-such-node',
        containers: [{ name: 'c', image: 'coxswain.dev/job:v1', volumeMounts: [{ name: 'vol', mountPath: '/vol' }] }],
        volumes: [{ name: 'vol', csi: { driver: 'e2e.example.com', readOnly: true, volumeAttributes: { a: 'b' } } }],
      },
    },
    { lingers: true },
  ],
  [
    '[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      spec: { drivers: [{ name: 'e2e.example.com', nodeID: 'e2e', topologyKeys: ['node'] }] },
    },
  ],
  [
    '[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      provisioner: 'e2e.example.com',
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'Immediate',
    },
  ],
  [
    '[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      spec: { attacher: 'e2e.example.com', nodeName: 'no-such-node', source: { persistentVolumeName: 'pv' } },
    },
    { lingers: true },
  ],
  [
    '[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      spec: { attacher: 'e2e.example.com', nodeName: 'no-such-node', source: { persistentVolumeName: 'pv' } },
    },
    { status: { attached: true }, lingers: true },
  ],
  [
    '[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass',
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttributesClass',
      driverName: 'e2e.example.com',
      parameters: { a: 'b' },
    },
    { lingers: true },
  ],
];

for (const [name, object, options = {}] of rows) {
  behaviour(name, (stage) => supportsApiOperations(stage, { object, ...options }));
}
