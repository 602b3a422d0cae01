import { expect, test } from 'vitest';
import { decodeJson } from '#pkg/apimachinery/decode.ts';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import { typeSchema } from '../facts.ts';
import { convertAndCheck } from './structural.ts';

const deployment = typeSchema('io.k8s.api.apps.v1.Deployment');
const pod = typeSchema('io.k8s.api.core.v1.Pod');
const secret = typeSchema('io.k8s.api.core.v1.Secret');
const revision = typeSchema('io.k8s.api.apps.v1.ControllerRevision');
const event = typeSchema('io.k8s.api.core.v1.Event');

const container = (fields: object): object => ({ spec: { containers: [{ name: 'a', ...fields }] } });
const quantities = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

test.each([
  [
    deployment,
    { spec: { replicas: 'x' } },
    'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    deployment,
    { spec: { replicas: 1.5 } },
    'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    deployment,
    { spec: { replicas: 2 ** 31 } },
    'json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [pod, { spec: [] }, 'json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec'],
  [
    pod,
    { spec: { containers: {} } },
    'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
  ],
  [
    pod,
    { metadata: { labels: { a: 1 } } },
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    pod,
    container({ env: [{ name: 'a', value: 1 }] }),
    'json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string',
  ],
  [
    pod,
    container({ stdin: 'yes' }),
    'json: cannot unmarshal string into Go struct field Container.spec.containers.stdin of type bool',
  ],
  [pod, container({ resources: { limits: { cpu: 'lots' } } }), quantities],
  [
    pod,
    container({ livenessProbe: { httpGet: { port: true } } }),
    'json: cannot unmarshal bool into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32',
  ],
  [
    pod,
    container({ livenessProbe: { httpGet: { port: 1.5 } } }),
    'json: cannot unmarshal number 1.5 into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32',
  ],
  [
    pod,
    { metadata: { creationTimestamp: 5 } },
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
  ],
  [
    pod,
    { spec: { restartPolicy: 5 } },
    'json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy',
  ],
  [
    pod,
    { spec: { hostname: 5, ...(container({ resources: { limits: { cpu: 'lots' } } }) as { spec: object }).spec } },
    quantities,
  ],
  [
    pod,
    { metadata: { creationTimestamp: 'now' } },
    'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
  ],
  [secret, { data: { a: 'b!!!' } }, 'illegal base64 data at input byte 1'],
  [pod, [], 'json: cannot unmarshal array into Go value of type v1.Pod'],
])('%o: the value of a wrong type in %j is named', (schema, value, error) => {
  expect(convertAndCheck(value, schema, { strict: 'Ignore' }).typeError).toBe(error);
});

test.each<[typeof pod, object, object]>([
  [
    pod,
    container({ resources: { requests: { cpu: '1000m', memory: 1024 } } }),
    container({ resources: { requests: { cpu: '1', memory: '1024' } } }),
  ],
  [pod, { metadata: { name: 'a', creationTimestamp: null, labels: null } }, { metadata: { name: 'a' } }],
  [
    pod,
    { metadata: { creationTimestamp: '2026-01-01T01:00:00.5+01:00' } },
    { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' } },
  ],
  [event, { eventTime: '2026-01-01T01:00:00.000000+01:00' }, { eventTime: '2026-01-01T00:00:00.000000Z' }],
  [
    pod,
    container({ livenessProbe: { httpGet: { port: 'http' } } }),
    container({ livenessProbe: { httpGet: { port: 'http' } } }),
  ],
  // The zero of a pointer was set by somebody, that of a plain field says nothing.
  [deployment, { spec: { replicas: 0, paused: false } }, { spec: { replicas: 0 } }],
  [
    pod,
    { metadata: { labels: { a: null } }, spec: { containers: [null] } },
    { metadata: { labels: { a: '' } }, spec: { containers: [{}] } },
  ],
  [secret, { data: { a: 'Zm9v\n' } }, { data: { a: 'Zm9v' } }],
  [pod, { nope: 1, spec: { nope: {}, nodeName: 'n' } }, { spec: { nodeName: 'n' } }],
  [pod, { metadata: { name: 'a', labels: {}, finalizers: [] } }, { metadata: { name: 'a' } }],
  [
    pod,
    container({ command: [], env: [], resources: { limits: {} }, livenessProbe: { httpGet: { httpHeaders: [] } } }),
    container({ resources: {}, livenessProbe: { httpGet: {} } }),
  ],
  // What Go cannot leave out: objects. Lists that it writes as null are put in when all else is there.
  [pod, { spec: { containers: [], securityContext: {} } }, { spec: { securityContext: {} } }],
  [
    pod,
    container({
      stdin: false,
      workingDir: '',
      volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false, subPath: '' }],
      securityContext: { privileged: false, runAsUser: 0 },
      livenessProbe: { httpGet: { port: 0 }, initialDelaySeconds: 0, terminationGracePeriodSeconds: 0 },
      args: ['', 'a'],
    }),
    container({
      volumeMounts: [{ name: 'v', mountPath: '/v' }],
      securityContext: { privileged: false, runAsUser: 0 },
      livenessProbe: { httpGet: {}, terminationGracePeriodSeconds: 0 },
      args: ['', 'a'],
    }),
  ],
  [deployment, { spec: { selector: { matchLabels: {} } } }, { spec: { selector: {} } }],
  // An empty list of managers asks to forget them.
  [pod, { metadata: { managedFields: [] } }, { metadata: { managedFields: [] } }],
  [
    pod,
    { metadata: { managedFields: [{ fieldsV1: { 'f:metadata': { 'f:labels': {} } } }] } },
    { metadata: { managedFields: [{ fieldsV1: { 'f:metadata': { 'f:labels': {} } } }] } },
  ],
  [revision, { data: { list: [], map: {} }, revision: 1 }, { data: { list: [], map: {} }, revision: 1 }],
  [secret, { data: { a: '' }, stringData: {} }, { data: { a: '' } }],
])('%o: %j becomes %j', (schema, value, object) => {
  expect(convertAndCheck(deepFreeze(value), schema, { strict: 'Ignore' })).toEqual({ object, strictErrors: [] });
  expect(convertAndCheck(deepFreeze(value), schema, { strict: 'Ignore', owned: true }).object).toEqual(object);
});

test('an apply configuration keeps what is empty', () => {
  const value = { metadata: { labels: {} }, spec: { tolerations: [] } };
  expect(convertAndCheck(value, pod, { strict: 'Strict', keepsEmpty: true }).object).toEqual(value);
});

test.each<[typeof pod, string, string | undefined]>([
  [
    deployment,
    '{"spec":{"replicas":1.0}}',
    'number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    deployment,
    '{"spec":{"replicas":1e2}}',
    'number 1e2 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    deployment,
    '{"spec":{"template":{"spec":{"securityContext":{"supplementalGroups":[1,2.0]}}}}}',
    'number 2.0 into Go struct field PodSecurityContext.spec.template.spec.securityContext.supplementalGroups of type int64',
  ],
  [
    pod,
    '{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":8e1}}}]}}',
    'number 8e1 into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32',
  ],
  [pod, '{"spec":{"containers":[{"resources":{"limits":{"cpu":1.0}}}]}}', undefined],
  [revision, '{"revision":1,"data":{"a":1.0,"b":[1e2]}}', undefined],
])('%o: %s as Go reads it', (schema, text, error) => {
  const decoded = decodeJson(Buffer.from(text));
  if (!decoded.ok) throw new Error(decoded.error);
  for (const owned of [false, true]) {
    const { typeError } = convertAndCheck(decoded.value, schema, {
      strict: 'Ignore',
      owned,
      numbers: decoded.numbers!,
    });
    expect(typeError).toBe(error && `json: cannot unmarshal ${error}`);
  }
});

test('unknown fields are named with their paths, when asked for', () => {
  const value = { foo: 1, spec: { bar: 2, template: { spec: { containers: [{}, { baz: 1 }] } } } };
  const strictErrors = [
    'unknown field "foo"',
    'unknown field "spec.bar"',
    'unknown field "spec.template.spec.containers[1].baz"',
  ];
  expect(convertAndCheck(value, deployment, { strict: 'Strict' }).strictErrors).toEqual(strictErrors);
  expect(convertAndCheck(value, deployment, { strict: 'Warn' }).strictErrors).toEqual(strictErrors);
  expect(convertAndCheck(value, deployment, { strict: 'Ignore' }).strictErrors).toEqual([]);
});

test('__proto__ is an unknown field of an object and a plain key of a map', () => {
  const value = JSON.parse(
    '{"__proto__":{"x":1},"metadata":{"annotations":{"__proto__":"y","constructor":"z"}}}',
  ) as unknown;
  for (const owned of [true, false]) {
    const { object, strictErrors } = convertAndCheck(value, pod, { strict: 'Strict', owned });
    expect(strictErrors).toEqual(['unknown field "__proto__"']);
    expect(JSON.stringify(object)).toBe('{"metadata":{"annotations":{"__proto__":"y","constructor":"z"}}}');
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
  }
});

test('what the caller keeps is copied, what it gives away is used as it is', () => {
  const value = { metadata: { name: 'a' }, spec: { containers: [{ name: 'b' }] } };
  expect(convertAndCheck(value, pod, { strict: 'Ignore', owned: true }).object).toBe(value);
  const copy = convertAndCheck(value, pod, { strict: 'Ignore' }).object as typeof value;
  expect(copy).toEqual(value);
  expect(copy.spec.containers[0]).not.toBe(value.spec.containers[0]);
});

test('a field that is undefined is absent', () => {
  const value = { nope: undefined, metadata: { name: 'a', labels: { x: undefined, y: '1' } }, spec: undefined };
  for (const owned of [true, false]) {
    const converted = convertAndCheck(value, pod, { strict: 'Strict', owned });
    expect(JSON.stringify(converted)).toBe('{"object":{"metadata":{"name":"a","labels":{"y":"1"}}},"strictErrors":[]}');
  }
});

test('nesting beyond the limit is a type error, not a full stack', () => {
  let schema: unknown = {};
  for (let i = 0; i < 5000; i++) schema = { properties: { a: schema } };
  const crd = typeSchema('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition');
  const value = { spec: { versions: [{ schema: { openAPIV3Schema: schema } }] } };
  expect(convertAndCheck(value, crd, { strict: 'Ignore' }).typeError).toBe('exceeded max depth');
});
