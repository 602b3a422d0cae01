/** Bad input in patches, paths and changes of what is there. */
import { expect } from 'vitest';
import {
  bad,
  claims,
  deployments,
  fieldFault,
  invalidCause,
  maps,
  options,
  pods,
  type Row,
  secrets,
  services,
} from './bad-input-row.ts';

const json = 'application/json-patch+json';
const merge = 'application/merge-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const apply = 'application/apply-patch+yaml';
const rejected = {
  code: 422,
  reason: 'Invalid',
  message: 'the server rejected our request due to an error in our request',
  details: {},
} as const;

function refused(name: string, type: string, body: unknown, more: Partial<Row> = {}): Row {
  return { name, send: `PATCH ${maps}/a`, type, body, ...rejected, ...more };
}

function unusable(name: string, type: string, body: unknown, message: string): Row {
  return {
    name,
    send: `PATCH ${maps}/a`,
    type,
    body,
    code: 422,
    reason: 'Invalid',
    message: ` "" is invalid: patch: ${message}`,
    details: { causes: [invalidCause('patch', message)] },
  };
}

/** Patches that cannot be read, do not apply, or make something that cannot be. */
export const patches: readonly Row[] = [
  bad('an empty JSON patch', `PATCH ${maps}/a`, 'error decoding patch: unexpected end of JSON input', {
    type: json,
    body: '',
  }),
  bad(
    'a JSON patch that is an object',
    `PATCH ${maps}/a`,
    'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    { type: json, body: {} },
  ),
  bad(
    'an operation that is a number',
    `PATCH ${maps}/a`,
    'error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp',
    { type: json, body: [5] },
  ),
  bad(
    'a path that is a number',
    `PATCH ${maps}/a`,
    'error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string',
    { type: json, body: [{ op: 'add', path: 5 }] },
  ),
  refused('an unknown operation', json, [{ op: 'x', path: '/data/x' }]),
  refused('a path without a slash', json, [{ op: 'add', path: 'data', value: 1 }]),
  refused('a test that fails', json, [{ op: 'test', path: '/data/x', value: '2' }]),
  refused('a move into itself', json, [{ op: 'move', from: '/data', path: '/data/x' }]),
  refused('a removal of what is not there', json, [{ op: 'remove', path: '/data/__proto__' }]),
  {
    name: 'too many operations',
    send: `PATCH ${maps}/a`,
    type: json,
    body: Array(10_001).fill({ op: 'test', path: '/data/x', value: '1' }),
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
  },
  bad('a merge patch that is null', `PATCH ${maps}/a`, 'Invalid JSON Patch', { type: merge, body: 'null' }),
  bad(
    'a merge patch that is a list',
    `PATCH ${maps}/a`,
    'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    { type: merge, body: [] },
  ),
  bad(
    'a strategic patch that is a list',
    `PATCH ${maps}/a`,
    'json: cannot unmarshal array into Go value of type map[string]interface {}',
    { type: strategic, body: [] },
  ),
  unusable(
    'a strategic patch to a wrong type',
    strategic,
    { data: [1] },
    'Invalid value: "map[data:[1]]": cannot restore map from slice',
  ),
  bad('another name', `PATCH ${maps}/a`, 'the name of the object (b) does not match the name on the URL (a)', {
    type: merge,
    body: { metadata: { name: 'b' } },
  }),
  bad(
    'no name',
    `PATCH ${maps}/a`,
    'the name of the object (a based on URL) was undeterminable: name must be provided',
    { type: merge, body: { metadata: null } },
  ),
  bad(
    'another namespace',
    `PATCH ${maps}/a`,
    'the namespace of the provided object does not match the namespace sent on the request',
    { type: merge, body: { metadata: { namespace: 'b' } } },
  ),
  {
    name: 'a stale version',
    send: `PATCH ${maps}/a`,
    type: merge,
    body: { metadata: { resourceVersion: '1' } },
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    details: { name: 'a', kind: 'configmaps' },
  },
  {
    name: 'annotations beyond 256 KiB',
    send: `PATCH ${maps}/a`,
    type: merge,
    body: { metadata: { annotations: { a: 'x'.repeat(262_144) } } },
    code: 422,
    reason: 'Invalid',
    message: 'ConfigMap "a" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes',
    details: {
      name: 'a',
      kind: 'ConfigMap',
      causes: [
        {
          reason: 'FieldValueTooLong',
          message: 'Too long: may not be more than 262144 bytes',
          field: 'metadata.annotations',
        },
      ],
    },
  },
  {
    name: 'a patch of a media type for objects',
    send: `PATCH ${maps}/a`,
    type: 'application/json',
    body: {},
    code: 415,
    reason: 'UnsupportedMediaType',
    message: `the body of the request was in an unknown format - accepted media types include: ${[json, merge, strategic, apply].join(', ')}`,
  },
  {
    name: 'an apply without a manager',
    send: `PATCH ${maps}/a`,
    type: apply,
    body: {},
    ...options('PatchOptions', 'FieldValueRequired', 'fieldManager', 'Required value: is required for apply patch'),
  } as Row,
  bad(
    'an apply that is no YAML',
    `PATCH ${maps}/a?fieldManager=m`,
    /^error decoding YAML: error converting YAML to JSON: yaml: line \d+: /,
    { type: apply, body: 'a: [' },
  ),
  bad(
    'an apply that is a list',
    `PATCH ${maps}/a?fieldManager=m`,
    'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}',
    { type: apply, body: '[]' },
  ),
  bad(
    'an apply of a field that nobody knows',
    `PATCH ${maps}/a?fieldManager=m`,
    'failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .foo: field not declared in schema',
    {
      type: apply,
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' }, foo: 1 },
    },
  ),
  bad(
    'an apply of a kind that is an object without a text form',
    `PATCH ${maps}/a?fieldManager=m`,
    'invalid object type: /v1, Kind=',
    { type: apply, body: { apiVersion: 'v1', kind: { toString: 1 } } },
  ),
  bad(
    'a directive that is an object without a text form',
    `PATCH ${maps}/a`,
    'unknown patch type: map[toString:1] in map: map[$patch:map[toString:1]]',
    { type: strategic, body: { $patch: { toString: 1 } } },
  ),
  bad('an apply of another version', `PATCH ${maps}/a?fieldManager=m`, 'invalid object type: /v2, Kind=ConfigMap', {
    type: apply,
    body: { apiVersion: 'v2', kind: 'ConfigMap' },
  }),
  bad('an apply with managed fields', `PATCH ${maps}/a?fieldManager=m`, 'metadata.managedFields must be nil', {
    type: apply,
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', managedFields: [] } },
  }),
  {
    name: 'an apply to a stale version',
    send: `PATCH ${maps}/a?fieldManager=m`,
    type: apply,
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', resourceVersion: '1' } },
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    details: { name: 'a', kind: 'configmaps' },
  },
];

function gone(name: string, send: string): Row {
  const message = 'the server could not find the requested resource';
  return { name, send, code: 404, reason: 'NotFound', message, details: {} };
}

function noMethod(name: string, send: string): Row {
  const message = 'the server does not allow this method on the requested resource';
  return { name, send, body: {}, code: 405, reason: 'MethodNotAllowed', message, details: {} };
}

/** Paths and methods. */
export const paths: readonly Row[] = [
  gone('an unknown resource', 'GET /api/v1/foos'),
  gone('an unknown subresource', `GET ${maps}/a/foo`),
  gone('a resource of the cluster in a namespace', 'GET /api/v1/namespaces/default/nodes'),
  gone('a resource of JavaScript', 'GET /api/v1/__proto__'),
  noMethod('an object of a namespace without one', 'POST /api/v1/pods'),
  noMethod('a method header', `POST ${maps}/a`),
  noMethod('deletion of all reviews', 'DELETE /apis/authorization.k8s.io/v1/selfsubjectaccessreviews'),
  noMethod('reading reviews', 'GET /apis/authorization.k8s.io/v1/selfsubjectaccessreviews'),
  bad('an escape that is none', `GET ${maps}/%zz`, 'invalid URL escape in the path: "%zz"'),
  {
    name: 'a namespace that is not there',
    send: 'POST /api/v1/namespaces/x/configmaps',
    body: { metadata: { name: 'b' } },
    code: 404,
    reason: 'NotFound',
    message: 'namespaces "x" not found',
    details: { name: 'x', kind: 'namespaces' },
  },
  {
    name: 'a media type nobody has',
    send: `GET ${maps}`,
    headers: { accept: 'text/html' },
    code: 406,
    reason: 'NotAcceptable',
    message: /^only the following media types are accepted: application\/json/,
  },
];

function immutable(name: string, path: string, change: unknown, more: Partial<Row>): Row {
  return {
    name,
    send: `PATCH ${path}`,
    type: merge,
    body: change,
    code: 422,
    reason: 'Invalid',
    message: /./,
    ...more,
  };
}

/** Rules about single objects and their changes. */
export const rules: readonly Row[] = [
  {
    name: 'another uid',
    send: `PUT ${maps}/a`,
    body: { metadata: { name: 'a', uid: 'x' } },
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: UID',
    details: { name: 'a', kind: 'configmaps' },
  },
  {
    name: 'the status of another uid',
    send: `PUT ${deployments}/d/status`,
    body: { metadata: { name: 'd', uid: 'x' }, status: {} },
    code: 409,
    reason: 'Conflict',
    message: /Precondition failed: UID in precondition: x, UID in object meta: UID$/,
    details: { name: 'd', group: 'apps', kind: 'deployments' },
  },
  {
    name: 'deletion of another uid',
    send: `DELETE ${deployments}/d`,
    body: { preconditions: { uid: 'x' } },
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on Deployment.apps "d": the UID in the precondition (x) does not match the UID in record (UID). The object might have been deleted and then recreated',
    details: { name: 'd', group: 'apps', kind: 'Deployment' },
  },
  {
    name: 'a name that no key can hold',
    send: 'POST /apis/rbac.authorization.k8s.io/v1/clusterroles',
    body: { metadata: { name: 'x'.repeat(2_000) } },
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: 'Request entity too large: limit is 1024',
  },
  bad(
    'PUT without a name',
    `PUT ${maps}/a`,
    'the name of the object (a based on URL) was undeterminable: name must be provided',
    { body: { data: {} } },
  ),
  bad(
    'PUT of another name to nothing',
    `PUT ${maps}/none`,
    'the name of the object (b) does not match the name on the URL (none)',
    { body: { metadata: { name: 'b' } } },
  ),
  {
    name: 'a label value that is too long',
    send: `POST ${maps}`,
    body: { metadata: { name: 'b', labels: { a: 'x'.repeat(64) } } },
    ...fieldFault(
      'ConfigMap',
      'b',
      'metadata.labels',
      `Invalid value: "${'x'.repeat(64)}": must be no more than 63 bytes`,
    ),
    message:
      /^ConfigMap "b" is invalid: metadata.labels: Invalid value: "x{64}": must be no more than 63 (bytes|characters)$/,
  } as Row,
  immutable(
    'data of an immutable ConfigMap',
    `${maps}/frozen`,
    { data: { x: '2' } },
    fieldFault('ConfigMap', 'frozen', 'data', 'Forbidden: field is immutable when `immutable` is set'),
  ),
  immutable(
    'the type of a Secret',
    `${secrets}/s`,
    { type: 'other' },
    fieldFault('Secret', 's', 'type', 'Invalid value: "other": field is immutable'),
  ),
  immutable(
    'the selector of a Deployment',
    `${deployments}/d`,
    { spec: { selector: { matchLabels: { app: 'e' } }, template: { metadata: { labels: { app: 'e' } } } } },
    fieldFault(
      'Deployment.apps',
      'd',
      'spec.selector',
      'Invalid value: {"matchLabels":{"app":"e"}}: field is immutable',
    ),
  ),
  immutable(
    'the address of a Service',
    `${services}/v`,
    { spec: { clusterIP: '10.96.0.78' } },
    {
      message: /^Service "v" is invalid: spec.clusterIPs\[0\]: Invalid value: .*: may not change once set$/,
      details: expect.anything(),
    },
  ),
  immutable(
    'the image pull policy of a Pod',
    `${pods}/p`,
    { spec: { nodeSelector: { a: 'b' } } },
    {
      message: /^Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than/,
      details: expect.anything(),
    },
  ),
  immutable(
    'the access modes of a claim',
    `${claims}/c`,
    { spec: { accessModes: ['ReadOnlyMany'] } },
    { message: /^PersistentVolumeClaim "c" is invalid: spec: Forbidden: /, details: expect.anything() },
  ),
  {
    name: 'a name that is too long for a generated one',
    send: `POST ${maps}`,
    body: { metadata: { generateName: 'A_' } },
    code: 422,
    reason: 'Invalid',
    message:
      /^ConfigMap "A_.{5}" is invalid: \[metadata.generateName: Invalid value: "A_": .*, metadata.name: Invalid value: /,
    details: expect.anything(),
  },
];
