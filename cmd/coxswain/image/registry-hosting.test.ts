/** The ConfigMap by which tools find the registry. Source: the specification of KEP-1755. */
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import { registryHosting } from './registry-hosting.ts';

test('it says where images are pushed to and pulled from', () => {
  const object = registryHosting('localhost:5000');
  expect(object).toMatchObject({
    kind: 'ConfigMap',
    metadata: { name: 'local-registry-hosting', namespace: 'kube-public' },
  });
  const data = 'data' in object ? object.data : undefined;
  const text = Object.entries(data ?? {}).map(([key, value]) => [key, load(String(value))]);
  expect(text).toEqual([
    [
      'localRegistryHosting.v1',
      { host: 'localhost:5000', hostFromContainerRuntime: 'localhost:5000', help: 'coxswain image registry --help' },
    ],
  ]);
});
