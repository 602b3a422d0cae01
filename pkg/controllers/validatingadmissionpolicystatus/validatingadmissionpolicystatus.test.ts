import { expect, test } from 'vitest';
import type { ValidatingAdmissionPolicySpec } from '#pkg/api/types/admissionregistration-v1.ts';
import { customResourceDefinitions, validatingAdmissionPolicies } from '#pkg/api/types/refs.ts';
import { getDocument } from '#pkg/client/discovery.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';
import { typeWarnings } from './type-warnings.ts';

const about = (group: string, version: string, ...resources: readonly string[]) => ({
  resourceRules: [{ apiGroups: [group], apiVersions: [version], operations: ['CREATE'], resources }],
});

/** Waited for here, as documents are made of files, and virtual time waits for none. */
const documents = ['/openapi/v3/api/v1', '/openapi/v3/apis/apps/v1', '/openapi/v3/apis/example.com/v1'];

const boats = {
  metadata: { name: 'boats.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'boats', kind: 'Boat' },
    scope: 'Namespaced' as const,
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { crew: { type: 'integer' } } } },
          },
        },
      },
    ],
  },
};

test('the status says which expressions do not fit the types that a policy is about, for each generation anew', async () => {
  const cluster = await startTestCluster({ nodes: 0 });
  const resource = cluster.client.resource(validatingAdmissionPolicies);
  await cluster.client.resource(customResourceDefinitions).create(boats);
  const isServed = async () =>
    (await cluster.client.resource(customResourceDefinitions).get('boats.example.com')).status?.conditions?.some(
      ({ type, status }) => type === 'Established' && status === 'True',
    ) === true;
  await cluster.until(isServed);
  for (const document of documents) await getDocument(cluster.client, document);
  const observed = async (name: string, generation: number) => {
    await cluster.until(async () => (await resource.get(name)).status?.observedGeneration === generation);
    return (await resource.get(name)).status?.typeChecking;
  };
  const make = (name: string, spec: ValidatingAdmissionPolicySpec) => resource.create({ metadata: { name }, spec });
  const replicas = { matchConstraints: about('apps', 'v1', 'deployments') };
  await make('wrong', {
    ...replicas,
    validations: [
      { expression: 'object.replicas > 1' },
      { expression: "object.spec.replicas > '1'", messageExpression: "'not ' + object.spec.nothing" },
    ],
  });
  expect(await observed('wrong', 1)).toEqual({
    expressionWarnings: [
      {
        fieldRef: 'spec.validations[0].expression',
        warning:
          "apps/v1, Kind=Deployment: compilation failed: ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^\n",
      },
      {
        fieldRef: 'spec.validations[1].expression',
        warning: expect.stringContaining("found no matching overload for '_>_' applied to '(int, string)'"),
      },
      {
        fieldRef: 'spec.validations[1].messageExpression',
        warning: expect.stringContaining("undefined field 'nothing'"),
      },
    ],
  });
  await resource.patch(
    'wrong',
    { spec: { validations: [{ expression: 'object.spec.replicas > 1' }] } },
    { type: 'merge' },
  );
  expect((await observed('wrong', 2))?.expressionWarnings).toBeUndefined();
  await make('boats', {
    matchConstraints: about('example.com', 'v1', 'boats'),
    validations: [{ expression: 'object.spec.crew > 1' }, { expression: "object.spec.crew == 'x'" }],
  });
  const { expressionWarnings = [] } = (await observed('boats', 1)) ?? {};
  expect(expressionWarnings.map(({ fieldRef }) => fieldRef)).toEqual(['spec.validations[1].expression']);
  const right = [
    'variables.first.image.startsWith("a") && object.metadata.labels.all(l, l != "")',
    'object.spec.containers.all(c, quantity(c.resources.requests["cpu"]).isLessThan(quantity("1")))',
    'object.metadata.creationTimestamp < timestamp("2030-01-01T00:00:00Z")',
    'object.spec.containers[0].livenessProbe.httpGet.port == 80',
    'authorizer.group("").resource("pods").check("create").allowed()',
  ];
  await make('pods', {
    matchConstraints: about('', 'v1', 'pods'),
    variables: [{ name: 'first', expression: 'object.spec.containers[0]' }],
    validations: [...right, 'variables.first.port == 80'].map((expression) => ({ expression })),
  });
  const found = (await observed('pods', 1))?.expressionWarnings ?? [];
  expect(found.map(({ fieldRef }) => fieldRef)).toEqual([`spec.validations[${right.length}].expression`]);
  await cluster.stop();
});

test('rules with stars and subresources are about no kind; kinds are told in their order, ten at most', async () => {
  const asked: string[] = [];
  const types = {
    kindOf: async (group: string, version: string, resource: string) => {
      asked.push(resource);
      return resource === 'none' ? undefined : { group, version, kind: resource.toUpperCase() };
    },
    typeOf: async () => ({ kind: 'object', name: 'Object', params: [], fields: new Map() }) as const,
  };
  const kinds = async (matchConstraints: ValidatingAdmissionPolicySpec['matchConstraints'] & object) => {
    const spec = { matchConstraints, validations: [{ expression: 'object.a' }] };
    const [warning] = await typeWarnings(spec, types);
    return warning?.warning.match(/Kind=\w+/g) ?? [];
  };
  expect(await kinds(about('apps', 'v1', 'b', 'a', 'none', 'c/status', '*'))).toEqual(['Kind=A', 'Kind=B']);
  expect(await kinds(about('*', 'v1', 'a'))).toEqual([]);
  expect(await kinds(about('apps', '*', 'a'))).toEqual([]);
  expect((await kinds(about('apps', 'v1', ...Array.from({ length: 30 }, (_, i) => `r${i}`)))).length).toBe(10);
  expect(asked).not.toContain('c/status');
});
