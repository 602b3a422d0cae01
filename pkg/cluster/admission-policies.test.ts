/** Policies in CEL, as clients meet them: parameters, conditions, failures, warnings, patches, refusals when stored. Words: upstream's. */
import { expect, test } from 'vitest';
import { apiForEachTest } from './testing-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
type Body = any;

const api = apiForEachTest();

async function call(method: string, path: string, sent?: object, query = '') {
  const { status, body, warning } = await api.call(method, query === '' ? path : `${path}?${query}`, sent);
  const json: Body = body;
  return { status, body: json, warning: warning ?? '' };
}

const group = '/apis/admissionregistration.k8s.io/v1';
const maps = '/api/v1/namespaces/default/configmaps';
const mapRules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }];

function register(kind: string, name: string, spec: object) {
  const plural = { Policy: 'policies', Binding: 'policybindings' }[kind.endsWith('Binding') ? 'Binding' : 'Policy'];
  const path = `${group}/${kind.replace(/Policy(?:Binding)?$/, '').toLowerCase()}${plural}`;
  return call('POST', path, { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name }, spec });
}

async function judge(spec: object, binding: object = {}, name = 'p') {
  const made = await register('ValidatingAdmissionPolicy', name, {
    matchConstraints: { resourceRules: mapRules },
    ...spec,
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const bound = { policyName: name, validationActions: ['Deny'], ...binding };
  expect((await register('ValidatingAdmissionPolicyBinding', `${name}-b`, bound)).status).toBe(201);
}

async function change(mutations: readonly object[], more: object = {}, name = 'm') {
  const spec = { matchConstraints: { resourceRules: mapRules }, reinvocationPolicy: 'Never', mutations, ...more };
  const made = await register('MutatingAdmissionPolicy', name, spec);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  expect((await register('MutatingAdmissionPolicyBinding', `${name}-b`, { policyName: name })).status).toBe(201);
}

const create = (name: string, data: object = {}, labels: object = {}) =>
  call('POST', maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data });

const apply = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

test('changes and deletions are judged too, and a policy without a binding judges nothing', async () => {
  await register('ValidatingAdmissionPolicy', 'idle', {
    matchConstraints: { resourceRules: mapRules },
    validations: [{ expression: 'false' }],
  });
  expect((await create('a')).status).toBe(201);
  await judge({
    validations: [
      {
        expression: "request.operation != 'DELETE' || object != null",
        message: 'stays',
        reason: 'Forbidden',
      },
    ],
  });
  const gone = await call('DELETE', `${maps}/a`);
  expect(gone.status).toBe(403);
  expect(gone.body.message).toBe(
    `configmaps "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: stays`,
  );
  expect((await call('DELETE', `${group}/validatingadmissionpolicybindings/p-b`)).status).toBe(200);
  expect((await call('DELETE', `${maps}/a`)).status).toBe(200);
});

test('parameters come from the objects that a binding names, and are wanted unless it says otherwise', async () => {
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConditions: [{ name: 'not-params', expression: "!object.metadata.name.startsWith('limits')" }],
    validations: [
      {
        expression: "size(object.data) <= int(params.data['max'])",
        messageExpression: "'at most ' + params.data['max']",
      },
    ],
  };
  await judge(spec, { paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' } });
  const missing = await create('a', { x: '1' });
  expect(missing.body.message).toContain(
    'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
  );
  await call('DELETE', `${group}/validatingadmissionpolicybindings/p-b`);
  expect((await create('limits', { max: '1' })).status).toBe(201);
  const bound = {
    policyName: 'p',
    validationActions: ['Deny'],
    paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' },
  };
  await register('ValidatingAdmissionPolicyBinding', 'p-b', bound);
  expect((await create('a', { x: '1' })).status).toBe(201);
  expect((await create('b', { x: '1', y: '2' })).body.message).toContain('denied request: at most 1');
});

test('what cannot be evaluated refuses or is passed by, as the policy says; warnings let pass', async () => {
  const validations = [{ expression: 'object.data.missing == "x"' }];
  await judge({ validations }, {}, 'strict');
  expect((await create('a')).body.message).toContain(
    `expression 'object.data.missing == "x"' resulted in error: no such key: `,
  );
  await call('DELETE', `${group}/validatingadmissionpolicies/strict`);
  await judge({ validations, failurePolicy: 'Ignore' }, {}, 'lax');
  expect((await create('a')).status).toBe(201);
  await judge(
    { validations: [{ expression: 'false', message: 'mind' }] },
    { validationActions: ['Warn', 'Audit'] },
    'warns',
  );
  const warned = await create('b');
  expect(warned.status).toBe(201);
  expect(warned.warning).toContain(
    "Validation failed for ValidatingAdmissionPolicy 'warns' with binding 'warns-b': mind",
  );
});

test('selectors, names of resources and excluded rules narrow what is judged', async () => {
  const judged = {
    matchConstraints: {
      resourceRules: [{ ...mapRules[0], operations: ['CREATE'] }],
      excludeResourceRules: [{ ...mapRules[0], resourceNames: ['free'] }],
      objectSelector: { matchLabels: { judged: 'yes' } },
    },
    validations: [{ expression: 'false' }],
  };
  await judge(judged);
  expect((await create('a')).status).toBe(201);
  expect((await create('free', {}, { judged: 'yes' })).status).toBe(201);
  expect((await create('b', {}, { judged: 'yes' })).status).toBe(422);
});

test('a policy asks who may do what', async () => {
  await judge({
    validations: [
      { expression: "authorizer.group('').resource('configmaps').namespace('default').check('create').allowed()" },
      {
        expression: "!authorizer.serviceAccount('default', 'nobody').path('/metrics').check('get').errored()",
      },
      { expression: "authorizer.requestResource.check('custom').allowed()" },
    ],
  });
  expect((await create('a')).status).toBe(201);
});

test('objects are changed by configurations and by patches, one after the other', async () => {
  await change([
    apply("Object{metadata: Object.metadata{labels: Object.metadata.labels{team: 'a'}}}"),
    patch(
      "has(object.data) ? [JSONPatch{op: 'add', path: '/data/by', value: string(size(object.metadata.labels))}] : []",
    ),
    patch("[JSONPatch{op: 'test', path: '/data/by', value: 'never'}, JSONPatch{op: 'remove', path: '/data'}]"),
  ]);
  const { body } = await create('a', { x: '1' }, { app: 'b' });
  expect(body).toMatchObject({ metadata: { labels: { app: 'b', team: 'a' } }, data: { x: '1', by: '2' } });
  const dry = await call(
    'POST',
    maps,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'd' }, data: { x: '1' } },
    'dryRun=All',
  );
  expect(dry.body.metadata.labels).toEqual({ team: 'a' });
});

test('a change that makes no object is refused', async () => {
  await change([apply('Object{spec: Object.wrong{x: 1}}')]);
  const refused = await create('a');
  expect(refused.status).toBe(403);
  expect(refused.body.message).toContain(`type mismatch: unexpected type name "Object.wrong", expected "Object.spec"`);
});

test('expressions that are none of their place are refused when a policy is stored', async () => {
  const stored = (spec: object) =>
    register('ValidatingAdmissionPolicy', 'p', {
      matchConstraints: { resourceRules: mapRules },
      validations: [{ expression: 'true' }],
      ...spec,
    });
  const messageOf = async (spec: object) => (await stored(spec)).body.message as string;
  expect(await messageOf({ validations: [{ expression: 'object.x + ' }] })).toContain(
    'spec.validations[0].expression: Invalid value: "object.x + ": compilation failed: ERROR: <input>:1:12: Syntax error',
  );
  expect(await messageOf({ validations: [{ expression: '1' }] })).toContain('must evaluate to bool');
  expect(await messageOf({ validations: [{ expression: 'params.x' }] })).toContain("undeclared reference to 'params'");
  expect(await messageOf({ validations: [{ expression: 'true', messageExpression: '1' }] })).toContain(
    'spec.validations[0].messageExpression',
  );
  expect(await messageOf({ variables: [{ name: 'a', expression: 'variables.b' }] })).toContain(
    'spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: undefined field \'b\'',
  );
  expect(await messageOf({ matchConditions: [{ name: 'x', expression: 'request.nothing' }] })).toContain(
    "undefined field 'nothing'",
  );
  const mutation = await register('MutatingAdmissionPolicy', 'm', {
    matchConstraints: { resourceRules: mapRules },
    reinvocationPolicy: 'Never',
    mutations: [patch('JSONPatch{op: 1}')],
  });
  expect(mutation.body.message).toContain('spec.mutations[0].jsonPatch.expression: Invalid value');
});

const scalers = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
const scaler = (percentage: number) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'a' },
  spec: {
    scaleTargetRef: { kind: 'Deployment', name: 'd' },
    maxReplicas: 3,
    targetCPUUtilizationPercentage: percentage,
  },
});
const scalerRules = [
  { apiGroups: ['autoscaling'], apiVersions: ['v2'], operations: ['*'], resources: ['horizontalpodautoscalers'] },
];

test('a policy that names another version judges and changes the object of that version', async () => {
  const target = 'object.spec.metrics[0].resource.target';
  await judge({
    matchConstraints: { resourceRules: scalerRules },
    validations: [
      {
        expression: `${target}.averageUtilization < 90`,
        messageExpression: "request.resource.version + ' of ' + request.requestResource.version",
      },
    ],
  });
  await change(
    [
      patch(
        `${target}.averageUtilization == 50 ? [JSONPatch{op: "replace", path: "/spec/metrics/0/resource/target/averageUtilization", value: 95}] : []`,
      ),
    ],
    { matchConstraints: { resourceRules: scalerRules } },
  );
  const refused = await call('POST', scalers('v1'), scaler(50));
  expect(refused.body.message).toContain("with binding 'p-b' denied request: v2 of v1");
  expect((await call('POST', scalers('v1'), scaler(60))).body.spec.targetCPUUtilizationPercentage).toBe(60);
});

test('a parameter is told in the version that the policy names', async () => {
  expect((await call('POST', scalers('v1'), scaler(60))).status).toBe(201);
  await judge(
    {
      paramKind: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' },
      validations: [{ expression: 'string(params.spec.targetCPUUtilizationPercentage) == object.data.wanted' }],
    },
    { paramRef: { name: 'a', namespace: 'default', parameterNotFoundAction: 'Deny' } },
  );
  expect((await create('good', { wanted: '60' })).status).toBe(201);
  expect((await create('bad', { wanted: '61' })).status).toBe(422);
});
