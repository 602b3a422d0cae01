import { expect, test } from 'vitest';
import { typeSchema } from '#pkg/api/facts.ts';
import { deepFreeze } from './json.ts';
import { omitEmpty, omitZeros } from './omit-empty.ts';

const pod = typeSchema('io.k8s.api.core.v1.Pod');

test.each<[object, object]>([
  [{ metadata: { name: 'a', labels: {} } }, { metadata: { name: 'a' } }],
  [
    { spec: { containers: [{ name: 'a', env: [] }, { name: 'b' }], volumes: [], nodeSelector: {} } },
    { spec: { containers: [{ name: 'a' }, { name: 'b' }] } },
  ],
  [{ spec: { containers: [], securityContext: {} } }, { spec: { containers: [], securityContext: {} } }],
  [
    { spec: { hostNetwork: false, hostUsers: false, hostname: '', priority: 0 } },
    { spec: { hostUsers: false, priority: 0 } },
  ],
  [
    { metadata: { managedFields: [] }, unknown: [] },
    { metadata: { managedFields: [] }, unknown: [] },
  ],
])('%j becomes %j', (object, expected) => {
  expect(omitEmpty(deepFreeze(object) as never, pod)).toEqual(expected);
});

test('for defaults, zeros that are always written go as well', () => {
  const status = { containerStatuses: [{ name: 'a', ready: false, restartCount: 0, started: false, state: {} }] };
  const left = { containerStatuses: [{ name: 'a', started: false, state: {} }] };
  expect(omitZeros({ spec: { containers: [] }, status }, pod)).toEqual({ spec: {}, status: left });
  expect(omitEmpty({ status }, pod)).toEqual({ status });
});

test('what has nothing to leave out is shared', () => {
  const containers = [{ name: 'a' }];
  const object = { metadata: { labels: {} }, spec: { containers } };
  const spec = omitEmpty(object, pod).spec as { containers: unknown };
  expect(spec).toBe(object.spec);
  expect(omitEmpty({ spec: object.spec }, pod).spec).toBe(object.spec);
});
