/** Bad input in bodies that are created from, and in queries. */
import { bad, deployments, maps, options, pods, type Row } from './bad-input-row.ts';

const unreadable =
  "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
const hex = (text: string): string => Buffer.from(text).toString('hex');

/** Bodies that cannot be read. */
export const syntax: readonly Row[] = [
  bad('text after the object', `POST ${maps}`, `${unreadable}invalid character '{' after top-level value ({}{})`, {
    body: '{}{}',
  }),
  bad(
    'a byte order mark',
    `POST ${maps}`,
    `${unreadable}invalid character 'ï' looking for beginning of value (${hex('\ufeff{}')})`,
    {
      body: '\ufeff{}',
    },
  ),
  bad(
    'a NUL',
    `POST ${maps}`,
    `${unreadable}invalid character '\\x00' looking for beginning of object key string ({\0})`,
    {
      body: '{\0}',
    },
  ),
  bad(
    'single quotes',
    `POST ${maps}`,
    `${unreadable}invalid character '\\'' looking for beginning of object key string ({'a':1})`,
    {
      body: "{'a':1}",
    },
  ),
  bad('a number beyond all', `POST ${maps}`, /json: cannot unmarshal number 1e400 into Go value of type float64/, {
    body: '{"metadata":{"name":"b"},"binaryData":{},"x":1e400}',
  }),
  bad(
    'a number beyond 64 bits',
    `POST ${maps}`,
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number 9223372036854775808 into Go struct field ObjectMeta.metadata.generation of type int64',
    { body: '{"metadata":{"name":"b","generation":9223372036854775808}}' },
  ),
  bad(
    'a fraction for a whole number',
    `PUT ${deployments}/d`,
    'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    { body: { metadata: { name: 'd' }, spec: { replicas: 1.5 } } },
  ),
  bad('nesting beyond the limit', `POST ${maps}`, /json parse error: invalid character '\{' exceeded max depth/, {
    body: `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  }),
  bad('a kind that is a number', `POST ${maps}`, /^the object provided is unrecognized/, { body: { kind: 5 } }),
  bad(
    'YAML that is broken',
    `POST ${maps}`,
    /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: error converting YAML to JSON: yaml: line \d+: /,
    { type: 'application/yaml', body: 'a: b: c' },
  ),
  {
    name: 'a body longer than 3 MiB',
    send: `POST ${maps}`,
    body: `{"metadata":{"name":"b"},"data":{"a":"${'x'.repeat(3 * 1024 * 1024)}"}}`,
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: 'Request entity too large: limit is 3145728',
  },
  {
    name: 'a form',
    send: `POST ${maps}`,
    type: 'application/x-www-form-urlencoded',
    body: 'a=b',
    code: 415,
    reason: 'UnsupportedMediaType',
    message:
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  },
  bad(
    'another kind',
    `POST ${maps}`,
    'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion',
    {
      body: { kind: 'Pod', apiVersion: 'v1' },
    },
  ),
  bad(
    'another version',
    'POST /apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
    'the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)',
    { body: { kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v1', metadata: { name: 'x' } } },
  ),
];

/** Queries and options. */
export const queries: readonly Row[] = [
  bad('a limit that is no number', `GET ${maps}?limit=abc`, 'strconv.ParseInt: parsing "abc": invalid syntax'),
  bad('an empty limit', `GET ${maps}?limit=`, 'strconv.ParseInt: parsing "": invalid syntax'),
  bad(
    'a limit beyond 64 bits',
    `GET ${maps}?limit=9223372036854775808`,
    'strconv.ParseInt: parsing "9223372036854775808": value out of range',
  ),
  bad(
    'a timeout that is no number',
    `GET ${maps}?watch=1&timeoutSeconds=1s`,
    'strconv.ParseInt: parsing "1s": invalid syntax',
  ),
  bad(
    'a version that is no number',
    `GET ${maps}?resourceVersion=abc`,
    'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
  ),
  bad(
    'a negative version',
    `GET ${maps}?watch=1&resourceVersion=-1`,
    'invalid resource version: resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax',
  ),
  bad(
    'a version beyond 64 bits',
    `GET ${maps}?resourceVersion=18446744073709551616`,
    'invalid resource version: resourceVersion: Invalid value: "18446744073709551616": strconv.ParseUint: parsing "18446744073709551616": value out of range',
  ),
  bad(
    'a continue token that is no base64',
    `GET ${maps}?continue=a*`,
    'invalid continue token: continue key is not valid: illegal base64 data at input byte 1',
  ),
  bad(
    'a continue token that is no JSON',
    `GET ${maps}?continue=${token('x')}`,
    "invalid continue token: continue key is not valid: invalid character 'x' looking for beginning of value",
  ),
  bad(
    'a continue token of another version',
    `GET ${maps}?continue=${token('{"v":"v2","rv":1,"start":"a"}')}`,
    'invalid continue token: continue key is not valid: server does not recognize this encoded version v2',
  ),
  bad(
    'a continue token without a version',
    `GET ${maps}?continue=${token('{"v":"meta.k8s.io/v1","start":"a"}')}`,
    'invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)',
  ),
  bad(
    'a continue token without a key',
    `GET ${maps}?continue=${token('{"v":"meta.k8s.io/v1","rv":1}')}`,
    'invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)',
  ),
  bad(
    'a continue token that leads elsewhere',
    `GET ${maps}?continue=${token('{"v":"meta.k8s.io/v1","rv":1,"start":"../../secrets/"}')}`,
    'invalid continue token: continue key is not valid: ../../secrets/',
  ),
  bad(
    'a version besides a token',
    `GET ${maps}?resourceVersion=1&continue=${token('{"v":"meta.k8s.io/v1","rv":1,"start":"a"}')}`,
    'specifying resource version is not allowed when using continue',
  ),
  bad(
    'a watch of a name with a selector of another',
    `GET /api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Db`,
    "fieldSelector metadata.name doesn't match requested name",
  ),
  bad(
    'a label selector that is none',
    `GET ${maps}?watch=1&labelSelector=a%20in%20(`,
    /^unable to parse requirement: found '', expected: ',', '\)' or identifier$/,
  ),
  bad('a field that cannot be selected', `GET ${pods}?fieldSelector=spec.x%3Da`, 'field label not supported: spec.x'),
  {
    name: 'a match without a version',
    send: `GET ${maps}?resourceVersionMatch=NotOlderThan`,
    ...options(
      'ListOptions',
      'FieldValueForbidden',
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    ),
  } as Row,
  {
    name: 'an exact match of any version',
    send: `GET ${maps}?resourceVersionMatch=Exact&resourceVersion=0`,
    ...options(
      'ListOptions',
      'FieldValueForbidden',
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ),
  } as Row,
  {
    name: 'a match for a watch',
    send: `GET ${maps}?watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1`,
    ...options(
      'ListOptions',
      'FieldValueForbidden',
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ),
  } as Row,
  {
    name: 'initial events of a list',
    send: `GET ${maps}?sendInitialEvents=true`,
    ...options(
      'ListOptions',
      'FieldValueForbidden',
      'sendInitialEvents',
      'Forbidden: sendInitialEvents is forbidden for list',
    ),
  } as Row,
  {
    name: 'an unknown field validation',
    send: `POST ${maps}?fieldValidation=x`,
    body: { metadata: { name: 'b' } },
    ...options(
      'CreateOptions',
      'FieldValueNotSupported',
      'fieldValidation',
      'Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
    ),
  } as Row,
  {
    name: 'a field manager that is too long',
    send: `PUT ${maps}/a?fieldManager=${'m'.repeat(129)}`,
    body: { metadata: { name: 'a' } },
    ...options('UpdateOptions', 'FieldValueTooLong', 'fieldManager', 'Too long: may not be more than 128 bytes'),
  } as Row,
  {
    name: 'a field manager that cannot be printed',
    send: `PUT ${maps}/a?fieldManager=a%00`,
    body: { metadata: { name: 'a' } },
    ...options(
      'UpdateOptions',
      'FieldValueInvalid',
      'fieldManager',
      'Invalid value: "a\\u0000": invalid character U+0000 (at position 1)',
    ),
  } as Row,
  {
    name: 'force without apply',
    send: `PATCH ${maps}/a?force=false`,
    type: 'application/merge-patch+json',
    body: {},
    ...options('PatchOptions', 'FieldValueForbidden', 'force', 'Forbidden: may not be specified for non-apply patch'),
  } as Row,
  {
    name: 'an unknown propagation',
    send: `DELETE ${maps}/a?propagationPolicy=x`,
    ...options(
      'DeleteOptions',
      'FieldValueNotSupported',
      'propagationPolicy',
      'Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil"',
    ),
  } as Row,
  {
    name: 'both forms of propagation',
    send: `DELETE ${maps}/a?propagationPolicy=Orphan&orphanDependents=true`,
    ...options(
      'DeleteOptions',
      'FieldValueInvalid',
      'propagationPolicy',
      'Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
    ),
  } as Row,
  bad(
    'a grace period that is no number',
    `DELETE ${pods}/p?gracePeriodSeconds=1.5`,
    'strconv.ParseInt: parsing "1.5": invalid syntax',
  ),
  bad(
    'an unknown content of table rows',
    `PUT ${maps}/a?includeObject=x`,
    `Unable to convert to Table as requested: includeObject: Invalid value: "x": must be 'Metadata', 'Object', 'None', or empty`,
    {
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
      body: { metadata: { name: 'a' }, data: { y: '2' } },
    },
  ),
  {
    name: 'exactly a version from the future',
    send: `GET ${maps}?resourceVersion=999999&resourceVersionMatch=Exact`,
    code: 504,
    reason: 'Timeout',
    message: /^Timeout: Too large resource version: 999999, current: \d+$/,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  },
  {
    name: 'a version from the future',
    send: `GET ${maps}?resourceVersion=999999`,
    code: 504,
    reason: 'Timeout',
    message: /^Timeout: Too large resource version: 999999, current: \d+$/,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  },
];

function token(text: string): string {
  return Buffer.from(text).toString('base64url');
}
