import { expect, test } from 'vitest';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { seal, unseal } from '#pkg/apimachinery/protobuf/envelope.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { kindFact, typeSchema } from '../facts.ts';
import { decodeProtobuf, encodeProtobuf } from './codec.ts';

function roundTrip(object: Record<string, unknown>): unknown {
  const decoded = decodeProtobuf(encodeProtobuf(object)!);
  return decoded.ok ? complete(decoded.object) : decoded.error;
}

/** The object with what is written of fields without a value, which is on the wire whether or not JSON has it. */
function complete(object: JsonObject): JsonObject {
  const { apiVersion, kind } = object as { apiVersion: string; kind: string };
  return withUnset(object, typeSchema(kindFact({ ...parseApiVersion(apiVersion)!, kind })!.type));
}

const crd = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' };
const properties = (schema: unknown): Record<string, unknown> => ({
  ...crd,
  spec: { versions: [{ name: 'v1', served: true, storage: false, schema: { openAPIV3Schema: schema } }] },
});

test.each<[string, Record<string, unknown>]>([
  [
    'a Pod',
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'a',
        creationTimestamp: '2026-01-01T00:00:01Z',
        labels: { é: 'ü', __proto_: 'x' },
        managedFields: [{ manager: 'm', fieldsV1: { 'f:spec': {} } }],
      },
      spec: {
        containers: [
          {
            name: 'c',
            image: 'i',
            resources: { limits: { cpu: '100m' } },
            livenessProbe: { httpGet: { port: 'http' }, exec: { command: ['a', 'b'] } },
            readinessProbe: { tcpSocket: { port: 80 } },
            securityContext: { runAsUser: 0, privileged: false },
          },
        ],
        ephemeralContainers: [{ name: 'e', image: 'i', targetContainerName: 'c' }],
        volumes: [{ name: 'v', emptyDir: {} }],
        securityContext: { supplementalGroups: [1, 4294967296] },
        terminationGracePeriodSeconds: 0,
        priority: -2000,
      },
    },
  ],
  [
    'a Deployment',
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      spec: { replicas: 0, strategy: { rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } } },
    },
  ],
  ['a Secret', { apiVersion: 'v1', kind: 'Secret', data: { a: 'Zm9v', b: '' }, type: 'Opaque' }],
  [
    'a Lease',
    {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      spec: { renewTime: '2026-01-01T00:00:00.123456Z', leaseTransitions: 0 },
    },
  ],
  [
    'an access review',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { extra: { a: ['x', 'y'] } } },
  ],
  [
    'a revision with any JSON',
    { apiVersion: 'apps/v1', kind: 'ControllerRevision', data: { a: [1, null] }, revision: 3 },
  ],
  [
    'unions of JSON forms',
    properties({ items: { type: 'string' }, additionalProperties: true, default: { a: 1 }, maximum: 1.5 }),
  ],
  [
    'the other forms',
    properties({
      items: [{ type: 'string' }],
      additionalProperties: { type: 'object' },
      dependencies: { a: ['b'] },
      enum: ['x', 1],
    }),
  ],
])('%s survives encoding and decoding', (_, object) => {
  expect(roundTrip(object)).toEqual(complete(object));
});

test('bytes are those of the reference encoding', () => {
  const bytes = encodeProtobuf({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'a' },
    spec: { finalizers: ['kubernetes'] },
  });
  expect(Buffer.from(bytes!).toString('hex')).toBe(
    '6b387300' +
      '0a0f' +
      '0a027631' +
      '12094e616d657370616365' +
      '1225' +
      // Texts, the generation and the creation time are no pointers: they are there with nothing in them.
      '0a11' +
      '0a0161' +
      '12001a0022002a0032003800' +
      '4200' +
      '120c' +
      '0a0a6b756265726e65746573' +
      '1a02' +
      '0a00' +
      '1a00' +
      '2200',
  );
});

test('zero values that Go writes for plain fields are dropped', () => {
  // metadata { name: "a", generateName: "", generation: 0, creationTimestamp: {} }
  const raw = Buffer.from('0a09' + '0a0161' + '1200' + '3800' + '4200', 'hex');
  const envelope = Buffer.concat([
    Buffer.from('6b387300' + '0a0f' + '0a027631' + '12094e616d657370616365' + '12', 'hex'),
    Buffer.from([raw.length]),
    raw,
  ]);
  expect(decodeProtobuf(envelope)).toEqual({
    ok: true,
    object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } },
  });
});

/** The message that an object is encoded as, in hex. */
function messageOf(object: Record<string, unknown>): string {
  const opened = unseal(encodeProtobuf(object)!);
  return opened.ok ? Buffer.from(opened.envelope.raw).toString('hex') : opened.error;
}

const emptyMeta = '0a10' + '0a00' + '12001a0022002a0032003800' + '4200';

/** Small messages, written down by the rules of the generated code: `[object, bytes]`. */
const written: readonly (readonly [string, Record<string, unknown>, string])[] = [
  [
    'a budget whose status says that none may go (fault 4)',
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      status: {
        disruptionsAllowed: 0,
        currentHealthy: 0,
        desiredHealthy: 0,
        expectedPods: 0,
        disruptedPods: { x: null },
      },
    },
    [emptyMeta, '1200', '1a11', '0800', '1205', '0a0178', '1200', '1800', '2000', '2800', '3000'].join(''),
  ],
  [
    'pointers to zero, and pointers to nothing',
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', spec: { leaseTransitions: 0, holderIdentity: '' } },
    [emptyMeta, '1204', '0a00', '2800'].join(''),
  ],
  [
    'a secret with bytes of no length',
    { apiVersion: 'v1', kind: 'Secret', data: { a: '', b: null } },
    [emptyMeta, '1205', '0a0161', '1200', '1203', '0a0162', '1a00'].join(''),
  ],
  [
    'a port that is no pointer, and an empty object in the status',
    { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 80 }] } },
    `${emptyMeta}1222` +
      '0a10' +
      '0a00' +
      '12001850' +
      '2206080010001a00' +
      '2800' +
      '1a0022003a00420052005a0060006800' +
      '1a02' +
      '0a00',
  ],
];

test.each(written)('%s', (_, object, hex) => {
  expect(messageOf(object)).toBe(hex);
});

test('zeros of pointers and of fields that JSON always has survive, those of others do not (fault 4)', () => {
  const object = {
    ...properties({
      properties: { a: { type: 'array', minimum: 0, maxItems: 0, minLength: 0, nullable: false, description: '' } },
    }),
    status: { storedVersions: [] },
  };
  const decoded = decodeProtobuf(encodeProtobuf(object)!);
  expect(decoded.ok && decoded.object).toMatchObject({
    spec: {
      versions: [
        {
          name: 'v1',
          served: true,
          storage: false,
          schema: { openAPIV3Schema: { properties: { a: { type: 'array', minimum: 0, maxItems: 0, minLength: 0 } } } },
        },
      ],
    },
  });
  expect(JSON.stringify(decoded)).not.toMatch(/nullable|description|exclusiveMinimum/);
});

test.each([
  ['0801' + '1205' + '0a0178' + '1200', { observedGeneration: 1, disruptedPods: { x: null } }],
  // The last value of a field counts.
  ['0801' + '0800' + '1801' + '1800', { disruptionsAllowed: 0 }],
])('the status of a budget in %s is %j', (hex, status) => {
  const message = Buffer.from(hex, 'hex');
  const raw = Buffer.concat([Buffer.from([0x1a, message.length]), message]);
  const decoded = decodeProtobuf(seal({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', raw }));
  expect(decoded.ok && decoded.object.status).toEqual(status);
});

test.each([
  ['0800', false],
  ['0801', true],
  ['', false],
  ['0800' + '1203' + '2a0161', { type: 'a' }],
])('the union in %s is %j', (hex, value) => {
  const nest = (number: number, bytes: Buffer): Buffer => Buffer.from([number * 8 + 2, bytes.length, ...bytes]);
  // spec.versions[].schema.openAPIV3Schema.additionalProperties, whose numbers are 1, 7, 4, 1 and 30.
  const union = Buffer.from(hex, 'hex');
  const schema = Buffer.from([0xf2, 0x01, union.length, ...union]);
  const raw = nest(2, nest(7, nest(4, nest(1, schema))));
  const decoded = decodeProtobuf(seal({ ...crd, raw }));
  const versions = [{ schema: { openAPIV3Schema: { additionalProperties: value } } }];
  expect(decoded.ok && decoded.object).toMatchObject({ spec: { versions } });
});

test.each([
  ['', 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]'],
  ['6b387300ff', 'proto: unexpected EOF'],
  ['6b3873000a0a', 'proto: unexpected EOF'],
  ['6b387300', 'no kind "" is registered for version ""'],
])('the bytes %s are refused: %s', (hex, error) => {
  expect(decodeProtobuf(Buffer.from(hex, 'hex'))).toEqual({ ok: false, error });
});

test('kinds without a protobuf form have no encoding', () => {
  expect(encodeProtobuf({ apiVersion: 'example.com/v1', kind: 'Widget' })).toBe(undefined);
});

test.each([
  ['1881808080808080 10', 9007199254740993n],
  ['18ffffffffffffffff7f', 9223372036854775807n],
  ['1880808080808080 10', 9007199254740992],
  ['18ffffffffffffffffff01', -1],
  ['f8ff0181808080808080 10 1801', 1],
])('the revision in %s is %s', (hex, revision) => {
  const raw = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const decoded = decodeProtobuf(seal({ apiVersion: 'apps/v1', kind: 'ControllerRevision', raw }));
  expect(decoded.ok ? decoded.object.revision : decoded.error).toBe(revision);
});

test.each([
  ['{"a":1e400}', 'proto: json: cannot unmarshal number 1e400 into Go value of type float64'],
  ['['.repeat(5000) + ']'.repeat(5000), "proto: invalid character '[' exceeded max depth"],
  ['[1,', 'proto: unexpected end of JSON input'],
])('JSON within a message has the limits of JSON', (text, error) => {
  const bytes = encodeProtobuf({
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    data: 'x'.repeat(text.length - 2),
  })!;
  const quoted = Buffer.from(`"${'x'.repeat(text.length - 2)}"`);
  const changed = Buffer.from(bytes);
  Buffer.from(text).copy(changed, changed.indexOf(quoted));
  expect(decodeProtobuf(changed)).toEqual({ ok: false, error });
});
