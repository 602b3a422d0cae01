/** Converters by themselves: what each version makes of the other, and random objects there and back. */
import { describe, expect, test } from 'vitest';
import { typeSchema } from '#pkg/api/facts.ts';
import { type ResourceInfo, resourceOfKind, resources } from '#pkg/api/resources.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import { deepFreeze } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { ObjectSchema, Schema } from '#pkg/apimachinery/schema.ts';
import type { Converter } from '#pkg/apiserver/converters/converter.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { strategies } from './table.ts';

/** Every converter of the table, keyed `apiVersion/Kind storedApiVersion`. */
const converters: Readonly<Record<string, Converter>> = Object.fromEntries(
  strategies.flatMap(({ group, resource, versions = {} }) =>
    Object.entries(versions).flatMap(([version, { converter, stored }]) => {
      const { kind } = resources.find((one) => one.group === group && one.resource === resource)!;
      return converter === undefined ? [] : [[`${group}/${version}/${kind} ${stored}`, converter]];
    }),
  ),
);

const rbac = 'rbac.authorization.k8s.io';
const flowControl = 'flowcontrol.apiserver.k8s.io';
const zeroAnnotation = { 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares': '' };

/** A converter, an object in its served form, and the same object as it is stored. */
const pairs: readonly (readonly [string, JsonObject, JsonObject])[] = [
  [
    'authorization.k8s.io/v1beta1/SubjectAccessReview authorization.k8s.io/v1',
    { spec: { user: 'ann', group: ['dev'] }, status: { allowed: true } },
    { spec: { user: 'ann', groups: ['dev'] }, status: { allowed: true } },
  ],
  [
    'events.k8s.io/v1beta1/Event v1',
    { note: 'n', regarding: { kind: 'Pod' }, reportingController: 'c', reportingInstance: 'i', deprecatedCount: 3 },
    { message: 'n', involvedObject: { kind: 'Pod' }, reportingComponent: 'c', reportingInstance: 'i', count: 3 },
  ],
  [
    `${flowControl}/v1beta2/PriorityLevelConfiguration ${flowControl}/v1`,
    { spec: { type: 'Limited', limited: { assuredConcurrencyShares: 7, lendablePercent: 1 } } },
    { spec: { type: 'Limited', limited: { nominalConcurrencyShares: 7, lendablePercent: 1 } } },
  ],
  [
    `${flowControl}/v1beta3/PriorityLevelConfiguration ${flowControl}/v1`,
    { metadata: { annotations: zeroAnnotation }, spec: { limited: { nominalConcurrencyShares: 0 } } },
    { metadata: {}, spec: { limited: { nominalConcurrencyShares: 0 } } },
  ],
  [
    'networking.k8s.io/v1beta1/Ingress networking.k8s.io/v1',
    { spec: { backend: { serviceName: 'web', servicePort: 'http' }, ingressClassName: 'c' } },
    { spec: { defaultBackend: { service: { name: 'web', port: { name: 'http' } } }, ingressClassName: 'c' } },
  ],
  [
    'networking.k8s.io/v1beta1/Ingress networking.k8s.io/v1',
    { spec: { rules: [{ http: { paths: [{ path: '/', backend: { serviceName: 'web', servicePort: 80 } }] } }] } },
    {
      spec: {
        rules: [{ http: { paths: [{ path: '/', backend: { service: { name: 'web', port: { number: 80 } } } }] } }],
      },
    },
  ],
  [
    'networking.k8s.io/v1beta1/Ingress networking.k8s.io/v1',
    { spec: { backend: { servicePort: 0, resource: { kind: 'Bucket', name: 'b' } }, rules: [{ host: 'h' }] } },
    { spec: { defaultBackend: { resource: { kind: 'Bucket', name: 'b' } }, rules: [{ host: 'h' }] } },
  ],
  [
    'node.k8s.io/v1alpha1/RuntimeClass node.k8s.io/v1',
    { spec: { runtimeHandler: 'runsc', overhead: { podFixed: { cpu: '1' } }, scheduling: { tolerations: [] } } },
    { handler: 'runsc', overhead: { podFixed: { cpu: '1' } }, scheduling: { tolerations: [] } },
  ],
  [
    `${rbac}/v1alpha1/RoleBinding ${rbac}/v1`,
    {
      subjects: [
        { kind: 'ServiceAccount', name: 's', namespace: 'n', apiVersion: 'v1' },
        { kind: 'User', name: 'u', apiVersion: `${rbac}/v1alpha1` },
        { kind: 'Group', name: 'g', apiVersion: `${rbac}/v1alpha1` },
        { kind: 'Robot', name: 'r', apiVersion: 'example.com/' },
        { kind: 'Robot', name: 'r' },
      ],
    },
    {
      subjects: [
        { kind: 'ServiceAccount', name: 's', namespace: 'n' },
        { kind: 'User', name: 'u', apiGroup: rbac },
        { kind: 'Group', name: 'g', apiGroup: rbac },
        { kind: 'Robot', name: 'r', apiGroup: 'example.com' },
        { kind: 'Robot', name: 'r' },
      ],
    },
  ],
  [
    'resource.k8s.io/v1beta1/ResourceClaim resource.k8s.io/v1',
    {
      spec: {
        devices: {
          requests: [
            { name: 'a', deviceClassName: 'gpu', count: 2, allocationMode: 'ExactCount' },
            { deviceClassName: '', name: 'b', firstAvailable: [{ name: 'x', deviceClassName: 'gpu' }] },
          ],
          constraints: [{ requests: ['a'] }],
        },
      },
    },
    {
      spec: {
        devices: {
          requests: [
            { name: 'a', exactly: { deviceClassName: 'gpu', count: 2, allocationMode: 'ExactCount' } },
            { name: 'b', firstAvailable: [{ name: 'x', deviceClassName: 'gpu' }] },
          ],
          constraints: [{ requests: ['a'] }],
        },
      },
    },
  ],
  [
    'resource.k8s.io/v1beta1/ResourceSlice resource.k8s.io/v1',
    { spec: { driver: 'd', devices: [{ name: 'a', basic: { attributes: { x: { int: 1 } }, allNodes: true } }] } },
    { spec: { driver: 'd', devices: [{ name: 'a', attributes: { x: { int: 1 } }, allNodes: true }] } },
  ],
];

describe('an object in both forms', () => {
  test.each(pairs)('%s', (key, served, stored) => {
    const { converter, apiVersion, storedVersion, kind } = parsed(key);
    const before = deepFreeze({ apiVersion, kind, ...served });
    const after = deepFreeze({ apiVersion: storedVersion, kind, ...stored });
    expect(converter.toStored(before)).toEqual(after);
    expect(converter.fromStored(after as KubeObject)).toEqual(before);
  });
});

/** What the older form says that comes back otherwise: a converter, the served form, and the stored one. */
const lossy: readonly (readonly [string, JsonObject, JsonObject])[] = [
  [
    `${rbac}/v1alpha1/ClusterRoleBinding ${rbac}/v1`,
    {
      subjects: [
        { kind: 'User', name: '*' },
        { kind: 'ServiceAccount', name: 's', apiVersion: 'example.com/v1' },
      ],
    },
    {
      subjects: [
        { kind: 'Group', apiGroup: rbac, name: 'system:authenticated' },
        { kind: 'ServiceAccount', name: 's' },
      ],
    },
  ],
  [
    `${flowControl}/v1beta1/PriorityLevelConfiguration ${flowControl}/v1`,
    { spec: { limited: { assuredConcurrencyShares: 0 } } },
    { spec: { limited: {} } },
  ],
  [
    `${flowControl}/v1beta3/PriorityLevelConfiguration ${flowControl}/v1`,
    { spec: { limited: { nominalConcurrencyShares: 0 } } },
    { spec: { limited: {} } },
  ],
  [
    'networking.k8s.io/v1beta1/Ingress networking.k8s.io/v1',
    { spec: { backend: { serviceName: 'web' } } },
    { spec: { defaultBackend: { service: { name: 'web', port: {} } } } },
  ],
  ['node.k8s.io/v1alpha1/RuntimeClass node.k8s.io/v1', {}, { handler: '' }],
  [
    'resource.k8s.io/v1beta1/ResourceSlice resource.k8s.io/v1',
    { spec: { nodeName: '', allNodes: false, devices: [{ name: 'a' }] } },
    { spec: { devices: [{ name: 'a' }] } },
  ],
];

test.each(lossy)('%s loses what the stored form cannot say', (key, served, stored) => {
  const { converter, apiVersion, storedVersion, kind } = parsed(key);
  expect(converter.toStored(deepFreeze({ apiVersion, kind, ...served }))).toEqual({
    apiVersion: storedVersion,
    kind,
    ...stored,
  });
});

/** Those whose forms are not two spellings of the same: one carries what the other lacks in annotations, in one order only. */
const tested = Object.keys(converters).filter((key) => !key.startsWith('autoscaling/'));

describe.each(tested)('random objects of %s', (key) => {
  const { converter, apiVersion, storedVersion, kind } = parsed(key);
  const random = new SeededRandom(11);

  test('are stored and come back as they were', () => {
    for (let i = 0; i < 40; i++) {
      const served = randomOf(apiVersion, kind, random);
      const stored = deepFreeze(converter.toStored(served));
      expect(strictErrors(stored, storedVersion, kind)).toEqual([]);
      expect(converter.fromStored(stored as KubeObject)).toEqual(served);
    }
  });

  test('are served and would be stored as they were', () => {
    for (let i = 0; i < 40; i++) {
      const stored = randomOf(storedVersion, kind, random);
      const served = deepFreeze(converter.fromStored(stored as KubeObject));
      expect(strictErrors(served as JsonObject, apiVersion, kind)).toEqual([]);
      expect(converter.toStored(served as JsonObject)).toEqual(stored);
    }
  });
});

function parsed(key: string) {
  const [served = '', storedVersion = ''] = key.split(' ');
  const slash = served.lastIndexOf('/');
  return {
    converter: converters[key]!,
    apiVersion: served.slice(0, slash),
    kind: served.slice(slash + 1),
    storedVersion,
  };
}

function schemaOf(apiVersion: string, kind: string): ObjectSchema {
  const info: ResourceInfo = resourceOfKind(apiVersion, kind)!;
  return typeSchema(info.type);
}

function strictErrors(object: JsonObject, apiVersion: string, kind: string): readonly string[] {
  const checked = convertAndCheck(object, schemaOf(apiVersion, kind), { strict: 'Strict' });
  return checked.typeError === undefined ? checked.strictErrors : [checked.typeError];
}

/** Values that both forms can say: subjects name the groups of their kinds, and so on. */
function randomOf(apiVersion: string, kind: string, random: Random): JsonObject {
  const object: JsonObject = { ...(randomValue(schemaOf(apiVersion, kind), random, 0) as JsonObject), kind };
  for (const subject of (object.subjects as JsonObject[] | undefined) ?? []) {
    subject.kind = 'User';
    if (apiVersion.endsWith('v1alpha1')) subject.apiVersion = apiVersion;
    else subject.apiGroup = rbac;
  }
  if (object.kind === 'Ingress') dropPortNumbers(object);
  return deepFreeze({ ...object, apiVersion });
}

/** A port of a backend has a name or a number. */
function dropPortNumbers(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, field] of Object.entries(value)) {
    if (name === 'port' && typeof field === 'object') delete (field as JsonObject).number;
    else dropPortNumbers(field);
  }
}

const depthMax = 9;
const scalars: Readonly<Record<string, unknown>> = { boolean: true, quantity: '3Gi', time: '2026-01-01T00:00:00Z' };

/** Every field has a value, so that none is lost unseen. */
function randomValue(schema: Schema, random: Random, depth: number): unknown {
  switch (schema.type) {
    case 'object': {
      const fields = depth > depthMax ? [] : [...schema.fields];
      return Object.fromEntries(
        fields.map(([name, { schema: field }]) => [name, randomValue(field, random, depth + 1)]),
      );
    }
    case 'list':
      return [0, 1].map(() => randomValue(schema.of, random, depth));
    case 'map':
      return { [`k${randomInt(random, 99)}`]: randomValue(schema.of, random, depth) };
    case 'int32':
    case 'int64':
    case 'intOrString':
      return 1 + randomInt(random, 1e6);
    case 'microTime':
      return '2026-01-01T00:00:00.000001Z';
    case 'rawObject':
      return {};
    case 'bytes':
      return 'Zm9v';
    default:
      return scalars[schema.type] ?? `s${randomInt(random, 1e9)}`;
  }
}
