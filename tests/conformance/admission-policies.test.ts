/** Admission policies: expressions of users that judge and change the objects of others. */
import { expect } from 'vitest';
import { behaviour, type Stage } from './behaviour.ts';

const registrations = '/apis/admissionregistration.k8s.io/v1';
const validating = '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin]';
const mutating = '[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin]';

const deploymentRules = [
  { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] },
];

async function made(stage: Stage, path: string, body: object): Promise<void> {
  const answer = await stage.request('POST', path, { body });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
}

async function validate(stage: Stage, spec: object): Promise<void> {
  await made(stage, `${registrations}/validatingadmissionpolicies`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'judge' },
    spec: { matchConstraints: { resourceRules: deploymentRules }, ...spec },
  });
  await made(stage, `${registrations}/validatingadmissionpolicybindings`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'judge-here' },
    spec: { policyName: 'judge', validationActions: ['Deny'], matchResources: inThisNamespace },
  });
}

const inThisNamespace = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'conformance' } } };

async function mutate(stage: Stage, mutations: readonly object[]): Promise<void> {
  await made(stage, `${registrations}/mutatingadmissionpolicies`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicy',
    metadata: { name: 'change' },
    spec: { matchConstraints: { resourceRules: deploymentRules }, reinvocationPolicy: 'Never', mutations },
  });
  await made(stage, `${registrations}/mutatingadmissionpolicybindings`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: 'change-here' },
    spec: { policyName: 'change', matchResources: inThisNamespace },
  });
}

function deploy(stage: Stage, name: string, replicas: number, labels: object = {}) {
  return stage.request('POST', `/apis/apps/v1/namespaces/${stage.namespace}/deployments`, {
    body: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, labels },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    },
  });
}

behaviour(`${validating} should validate against a Deployment`, async (stage) => {
  await validate(stage, {
    validations: [
      {
        expression: 'object.spec.replicas > 1',
        messageExpression: "'wants replicas > 1, got ' + string(object.spec.replicas)",
      },
      {
        expression: "namespaceObject.metadata.name == 'conformance'",
        message: 'Internal error! Other namespace should not be allowed.',
      },
    ],
  });
  expect((await deploy(stage, 'two', 2)).status).toBe(201);
  const refused = await deploy(stage, 'one', 1);
  expect(refused.status).toBe(422);
  expect(refused.body).toMatchObject({
    reason: 'Invalid',
    message:
      "deployments.apps \"one\" is forbidden: ValidatingAdmissionPolicy 'judge' with binding 'judge-here' denied request: wants replicas > 1, got 1",
  });
});

behaviour(`${validating} should allow expressions to refer variables.`, async (stage) => {
  await validate(stage, {
    variables: [
      { name: 'replicas', expression: 'object.spec.replicas' },
      { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
    ],
    validations: [{ expression: 'variables.replicas > 1' }, { expression: 'variables.oddReplicas' }],
  });
  expect((await deploy(stage, 'three', 3)).status).toBe(201);
  expect((await deploy(stage, 'one', 1)).body.message).toContain('failed expression: variables.replicas > 1');
  expect((await deploy(stage, 'four', 4)).body.message).toContain('failed expression: variables.oddReplicas');
});

behaviour(`${mutating} should mutate a Deployment`, async (stage) => {
  await mutate(stage, [
    {
      patchType: 'ApplyConfiguration',
      applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: object.spec.replicas + 100}}' },
    },
  ]);
  expect((await deploy(stage, 'one', 1)).body).toMatchObject({ spec: { replicas: 101 } });
});

behaviour(`${mutating} should mutate a Deployment with annotations`, async (stage) => {
  await mutate(stage, [
    {
      patchType: 'JSONPatch',
      jsonPatch: {
        expression: `[
          JSONPatch{op: "add", path: "/metadata/annotations", value: {}},
          JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/by"), value: request.operation}
        ]`,
      },
    },
  ]);
  expect((await deploy(stage, 'one', 1)).body).toMatchObject({
    metadata: { annotations: { 'example.com/by': 'CREATE' } },
  });
});
