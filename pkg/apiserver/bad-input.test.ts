import { beforeAll, expect, test } from 'vitest';
import { type CallOptions, startTestServer, type TestServer } from './testing/test-server.ts';

/** What clients get wrong, and what they are told: nothing of it is an internal error and nothing changes the store. */

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  await server.call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
});

const maps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

type Case = readonly [
  name: string,
  method: string,
  target: string,
  options: CallOptions,
  status: number,
  message: string | RegExp,
];

function json(body: unknown): CallOptions {
  return {
    text: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
}

function patch(type: string, body: unknown): CallOptions {
  return {
    text: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': `application/${type}` },
  };
}

const notReadable =
  "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
const noFormat = 'the body of the request was in an unknown format - accepted media types include: ';
const stale =
  'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again';
const noResource = 'the server could not find the requested resource';
const noMethod = 'the server does not allow this method on the requested resource';
const noPage = '404 page not found\n';
const rejected = 'the server rejected our request due to an error in our request';
const noKind = 'is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"';

const bodies: readonly Case[] = [
  [
    'half of JSON',
    'POST',
    maps,
    json('{"metadata":'),
    400,
    `${notReadable}unexpected end of JSON input ({"metadata":)`,
  ],
  ['no body', 'POST', maps, {}, 400, `${notReadable}unexpected end of JSON input (<empty>)`],
  [
    'parameters without a media type',
    'POST',
    maps,
    { text: '{}', headers: { 'content-type': ';;;' } },
    415,
    `${noFormat}application/json, application/yaml, application/vnd.kubernetes.protobuf`,
  ],
  ['a truth as body', 'POST', maps, json('true'), 400, /json: cannot unmarshal bool into Go value of type struct/],
  [
    'a number for a kind',
    'POST',
    maps,
    json({ apiVersion: 'v1', kind: 5 }),
    400,
    /json parse error: json: cannot unmarshal number into Go struct field \.kind of type string /,
  ],
  [
    'an object for an apiVersion',
    'POST',
    maps,
    json({ kind: null, apiVersion: {} }),
    400,
    /json parse error: json: cannot unmarshal object into Go struct field \.apiVersion of type string /,
  ],
  [
    'a finalizer that belongs to nobody',
    'POST',
    maps,
    json({ metadata: { name: 'b', finalizers: ['x.io/y', 'mine'] } }),
    422,
    'ConfigMap "b" is invalid: metadata.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  ],
  ['a list as body', 'POST', maps, json([]), 400, /^the object provided is unrecognized .*cannot unmarshal array/],
  [
    'null as body',
    'POST',
    maps,
    json('null'),
    422,
    'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  ],
  ['half of YAML', 'POST', maps, patch('yaml', 'a: ['), 400, /error converting YAML to JSON: yaml: line 1/],
  [
    'text',
    'POST',
    maps,
    { text: 'x', headers: { 'content-type': 'text/plain' } },
    415,
    `${noFormat}application/json, application/yaml, application/vnd.kubernetes.protobuf`,
  ],
  [
    'protobuf that is none',
    'POST',
    maps,
    patch('vnd.kubernetes.protobuf', 'k8s'),
    400,
    /provided data does not appear to be a protobuf message/,
  ],
  [
    'more than 3 MiB',
    'POST',
    maps,
    json(' '.repeat(3 * 1024 * 1024 + 1)),
    413,
    'Request entity too large: limit is 3145728',
  ],
  ['nesting without end', 'POST', maps, json('['.repeat(100_000)), 400, /^the object provided is unrecognized/],
  ['deep nesting', 'POST', maps, json(`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`), 400, /exceeded max depth/],
  [
    'an unknown kind',
    'POST',
    maps,
    json({ kind: 'Foo', apiVersion: 'v1' }),
    400,
    `Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" ${noKind}`,
  ],
  [
    'another kind',
    'POST',
    maps,
    json({ kind: 'Pod', apiVersion: 'v1' }),
    400,
    'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion',
  ],
  [
    'a list of the kind',
    'POST',
    maps,
    json({ kind: 'ConfigMapList', apiVersion: 'v1' }),
    400,
    'ConfigMapList in version "v1" cannot be handled as a ConfigMap: converting (v1.ConfigMapList) to (core.ConfigMap): unknown conversion',
  ],
  [
    'an apiVersion that is none',
    'POST',
    maps,
    json({ kind: 'ConfigMap', apiVersion: 'a/b/c' }),
    400,
    "couldn't get version/kind; unexpected GroupVersion string: a/b/c",
  ],
  [
    'a number for a map',
    'POST',
    maps,
    json({ metadata: { name: 'b' }, data: 5 }),
    400,
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string',
  ],
  [
    'text for metadata',
    'POST',
    maps,
    json({ metadata: 'x' }),
    400,
    /cannot unmarshal string into Go struct field ConfigMap.metadata/,
  ],
  [
    'no name',
    'POST',
    maps,
    json({}),
    422,
    'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  ],
  [
    'a name that breaks the rules',
    'POST',
    maps,
    json({ metadata: { name: 'Bad_Name' } }),
    422,
    /^ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/,
  ],
  [
    'another namespace',
    'POST',
    maps,
    json({ metadata: { name: 'b', namespace: 'other' } }),
    400,
    'the namespace of the provided object does not match the namespace sent on the request',
  ],
  [
    'a label that breaks the rules',
    'POST',
    maps,
    json({ metadata: { name: 'b', labels: { 'a b': 'c' } } }),
    422,
    /metadata.labels: Invalid value: "a b"/,
  ],
  [
    'a resourceVersion on create',
    'POST',
    maps,
    json({ metadata: { name: 'b', resourceVersion: '5' } }),
    400,
    'resourceVersion should not be set on objects to be created',
  ],
  [
    'a resourceVersion on create of what is wrong anyway',
    'POST',
    maps,
    json({ metadata: { name: 'b', resourceVersion: '5', labels: { 'a b': 'c' } } }),
    422,
    /metadata.labels: Invalid value: "a b"/,
  ],
  ['a name that is taken', 'POST', maps, json({ metadata: { name: 'a' } }), 409, 'configmaps "a" already exists'],
  [
    'unknown fields, strictly',
    'POST',
    `${maps}?fieldValidation=Strict`,
    json('{"metadata":{"name":"b"},"foo":1,"data":{"a":"1","a":"2"}}'),
    400,
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo", duplicate field "data.a"',
  ],
  [
    'missing fields',
    'POST',
    pods,
    json({ metadata: { name: 'p' }, spec: {} }),
    422,
    'Pod "p" is invalid: spec.containers: Required value',
  ],
  [
    'an unknown validation',
    'POST',
    `${maps}?fieldValidation=X`,
    json({}),
    422,
    'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "X": supported values: "", "Ignore", "Strict", "Warn"',
  ],
  [
    'an unknown dry run',
    'POST',
    `${maps}?dryRun=X`,
    json({}),
    422,
    /^CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value/,
  ],
  [
    'a namespace that is not there',
    'POST',
    '/api/v1/namespaces/x/configmaps',
    json({ metadata: { name: 'b' } }),
    404,
    'namespaces "x" not found',
  ],
  [
    'a namespace that is not there, for an object that would be refused anyway',
    'POST',
    '/api/v1/namespaces/x/configmaps',
    json({ metadata: { name: 'B_' } }),
    404,
    'namespaces "x" not found',
  ],
];

const reads: readonly Case[] = [
  [
    'a label selector that is none',
    'GET',
    `${maps}?labelSelector=a%20b`,
    {},
    400,
    /^unable to parse requirement: found 'b'/,
  ],
  [
    'a field selector that is none',
    'GET',
    `${maps}?fieldSelector=x`,
    {},
    400,
    "invalid selector: 'x'; can't understand 'x'",
  ],
  [
    'a field that cannot be selected',
    'GET',
    `${maps}?fieldSelector=data.x%3Dy`,
    {},
    400,
    '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ['a limit that is no number', 'GET', `${maps}?limit=x`, {}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
  [
    'a continue token that is none',
    'GET',
    `${maps}?continue=zzz`,
    {},
    400,
    /^invalid continue token: continue key is not valid: invalid character/,
  ],
  ['a resourceVersion that is none', 'GET', `${maps}?resourceVersion=abc`, {}, 400, /strconv.ParseUint: parsing "abc"/],
  [
    'a match without a version',
    'GET',
    `${maps}?resourceVersionMatch=Exact`,
    {},
    422,
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
  ],
  ['an unknown match', 'GET', `${maps}?resourceVersion=1&resourceVersionMatch=X`, {}, 422, /Unsupported value: "X"/],
  [
    'initial events without a match',
    'GET',
    `${maps}?watch=1&sendInitialEvents=true`,
    {},
    422,
    /sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/,
  ],
  [
    'a media type nobody has',
    'GET',
    maps,
    { headers: { accept: 'application/xml' } },
    406,
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  ],
  ['an unknown resource', 'GET', '/api/v1/foos', {}, 404, noResource],
  ['an unknown subresource', 'GET', `${pods}/a/foo`, {}, 404, noResource],
  ['an unknown version', 'GET', '/api/v2/pods', {}, 404, noResource],
  ['an unknown group', 'GET', '/apis/foo/v1/bars', {}, 404, noPage],
  ['an unknown path', 'GET', '/foo', {}, 404, noPage],
  ['an object that is not there', 'GET', `${maps}/none`, {}, 404, 'configmaps "none" not found'],
  ['a path that does not decode', 'GET', `${maps}/%zz`, {}, 400, 'invalid URL escape in the path: "%zz"'],
  ['a subresource that is not built', 'GET', `${pods}/a/exec`, {}, 501, 'pods/exec is not implemented by this server'],
];

const writes: readonly Case[] = [
  ['PUT to a collection', 'PUT', maps, json({}), 405, noMethod],
  ['POST to an object', 'POST', `${maps}/a`, json({}), 405, noMethod],
  ['POST without a namespace', 'POST', '/api/v1/configmaps', json({}), 405, noMethod],
  [
    'another name',
    'PUT',
    `${maps}/a`,
    json({ metadata: { name: 'b' } }),
    400,
    'the name of the object (b) does not match the name on the URL (a)',
  ],
  ['a stale resourceVersion', 'PUT', `${maps}/a`, json({ metadata: { name: 'a', resourceVersion: '1' } }), 409, stale],
  [
    'an update with a finalizer that belongs to nobody',
    'PUT',
    `${maps}/a`,
    json({ metadata: { name: 'a', finalizers: ['mine'] } }),
    422,
    'ConfigMap "a" is invalid: metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  ],
  [
    'another uid',
    'PUT',
    `${maps}/a`,
    json({ metadata: { name: 'a', uid: 'x' } }),
    409,
    /^Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: \/registry\/configmaps\/default\/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: /,
  ],
  [
    'PUT of what is not there',
    'PUT',
    `${maps}/none`,
    json({ metadata: { name: 'none' } }),
    404,
    'configmaps "none" not found',
  ],
  [
    'a patch without its type',
    'PATCH',
    `${maps}/a`,
    json({}),
    415,
    /^the body of the request was in an unknown format/,
  ],
  [
    'half of a patch',
    'PATCH',
    `${maps}/a`,
    patch('json-patch+json', '['),
    400,
    'error decoding patch: unexpected end of JSON input',
  ],
  [
    'a JSON patch that does not apply',
    'PATCH',
    `${maps}/a`,
    patch('json-patch+json', [{ op: 'remove', path: '/no/no' }]),
    422,
    rejected,
  ],
  [
    'a JSON patch whose test fails',
    'PATCH',
    `${maps}/a`,
    patch('json-patch+json', [{ op: 'test', path: '/data/x', value: '2' }]),
    422,
    rejected,
  ],
  [
    'a merge patch that is a list',
    'PATCH',
    `${maps}/a`,
    patch('merge-patch+json', []),
    400,
    'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
  ],
  [
    'a merge patch to a stale version',
    'PATCH',
    `${maps}/a`,
    patch('merge-patch+json', { metadata: { resourceVersion: '1' } }),
    409,
    stale,
  ],
  [
    'a merge patch to a wrong type',
    'PATCH',
    `${maps}/a`,
    patch('merge-patch+json', { data: { x: 5 } }),
    422,
    /^ "" is invalid: patch: Invalid value: "\{.*\}": json: cannot unmarshal number into Go struct field ConfigMap.data of type string$/,
  ],
  [
    'a strategic patch to a wrong type',
    'PATCH',
    `${maps}/a`,
    patch('strategic-merge-patch+json', { data: { x: 5, a: 'b' } }),
    422,
    ' "" is invalid: patch: Invalid value: "map[data:map[a:b x:5]]": cannot convert int64 to string',
  ],
  [
    'a strategic patch with an unknown field, strictly',
    'PATCH',
    `${maps}/a?fieldValidation=Strict`,
    patch('strategic-merge-patch+json', { nosuch: [1, null] }),
    422,
    ' "" is invalid: patch: Invalid value: "map[nosuch:[1 <nil>]]": strict decoding error: unknown field "nosuch"',
  ],
  [
    'a strategic patch with an unknown directive',
    'PATCH',
    `${maps}/a`,
    patch('strategic-merge-patch+json', { data: { $patch: 'x' } }),
    400,
    /^unknown patch type/,
  ],
  [
    'an apply without a manager',
    'PATCH',
    `${maps}/a`,
    patch('apply-patch+yaml', {}),
    422,
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  ],
  [
    'an apply without a kind',
    'PATCH',
    `${maps}/a?fieldManager=m`,
    patch('apply-patch+yaml', {}),
    400,
    'invalid object type: /, Kind=',
  ],
  [
    'force without apply',
    'PATCH',
    `${maps}/a?force=true`,
    patch('merge-patch+json', {}),
    422,
    'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
  ],
  [
    'a patch of what is not there',
    'PATCH',
    `${maps}/none`,
    patch('merge-patch+json', {}),
    404,
    'configmaps "none" not found',
  ],
  [
    'half of delete options',
    'DELETE',
    `${maps}/a`,
    json('{'),
    400,
    /^the object provided is unrecognized \(must be of type DeleteOptions\)/,
  ],
  ['delete options of a wrong type', 'DELETE', `${maps}/a`, json({ preconditions: 5 }), 400, /cannot unmarshal number/],
  [
    'deletion of another uid',
    'DELETE',
    `${maps}/a`,
    json({ preconditions: { uid: 'x' } }),
    409,
    /^Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition \(x\) does not match the UID in record \(.*\). The object might have been deleted and then recreated$/,
  ],
  [
    'an unknown propagation',
    'DELETE',
    `${maps}/a?propagationPolicy=X`,
    {},
    422,
    /propagationPolicy: Unsupported value: "X"/,
  ],
  [
    'deletion of a system namespace',
    'DELETE',
    '/api/v1/namespaces/default',
    {},
    403,
    'namespaces "default" is forbidden: this namespace may not be deleted',
  ],
  [
    'a binding without a target',
    'POST',
    `${pods}/p/binding`,
    json({ metadata: { name: 'p' } }),
    422,
    'Binding "p" is invalid: target.name: Required value',
  ],
  [
    'a binding of a wrong type',
    'POST',
    `${pods}/p/binding`,
    json({ target: { name: 5 } }),
    400,
    /cannot unmarshal number/,
  ],
];

test.each([...bodies, ...reads, ...writes])('%s', async (_name, method, target, options, status, message) => {
  const before = await server.store.currentRevision();
  const answer = await server.call(method, target, options);
  const text = answer.body?.message ?? answer.text;
  expect([answer.status, text]).toEqual([
    status,
    typeof message === 'string' ? message : expect.stringMatching(message),
  ]);
  expect(await server.store.currentRevision()).toBe(before);
});

test('an object of the same process is refused for the same reasons', async () => {
  const answer = await server.call('POST', maps, { object: { metadata: { name: 'b' }, data: { x: 5 } } });
  expect(answer.body.message).toContain('cannot unmarshal number into Go struct field ConfigMap.data');
});

test('keys that mean something to JavaScript are data like all others', async () => {
  const text = '{"metadata":{"name":"proto"},"data":{"__proto__":"1","constructor":"2"},"__proto__":{"x":1}}';
  expect((await server.call('POST', `${maps}?fieldValidation=Ignore`, json(text))).status).toBe(201);
  const { text: stored } = await server.call('GET', `${maps}/proto`);
  expect(stored).toContain('"data":{"__proto__":"1","constructor":"2"}');
});

test('unknown fields are dropped with a warning', async () => {
  const answer = await server.call('POST', maps, json({ metadata: { name: 'warned', bar: 1 }, foo: 1 }));
  expect(answer.headers.warning).toBe('299 - "unknown field \\"metadata.bar\\"", 299 - "unknown field \\"foo\\""');
  expect(answer.body).not.toHaveProperty('foo');
});

test('who shows no credentials reads health and version and nothing else', async () => {
  const statuses = [];
  for (const path of ['/healthz', '/livez', '/readyz', '/version', '/api/v1/pods', '/metrics', '/api']) {
    statuses.push((await server.call('GET', path, { anonymous: true })).status);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 403, 403, 403]);
});

const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twice\ndata:\n  a: "1"\n  a: "2"\n';
const twice = 'yaml: unmarshal errors:\n  line 7: key "a" already set in map';

test.each([
  ['POST', maps, 'yaml', `ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ${twice}`],
  ['PATCH', `${maps}/twice`, 'apply-patch+yaml', `error strict decoding YAML: error converting YAML to JSON: ${twice}`],
])('%s of YAML with a key that comes twice', async (method, target, media, message) => {
  const ask = (validation: string) =>
    server.call(method, `${target}?fieldManager=m&dryRun=All&fieldValidation=${validation}`, {
      headers: { 'content-type': `application/${media}` },
      text: yaml,
    });
  const strict = await ask('Strict');
  expect([strict.status, strict.body.message]).toEqual([400, message]);
  const warned = await ask('Warn');
  expect([warned.status, warned.body.data]).toEqual([201, { a: '2' }]);
  expect(warned.headers.warning).toContain('line 7: key \\"a\\" already set in map');
  const lenient = await ask('Ignore');
  expect([lenient.status, lenient.headers.warning]).toEqual([201, undefined]);
});
