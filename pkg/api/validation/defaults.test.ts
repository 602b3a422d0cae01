import { expect, test } from 'vitest';
import { typeSchema } from '../facts.ts';
import { applySchemaDefaults } from './defaults.ts';

test('declared defaults are filled in where their object is', () => {
  const draft = {
    spec: {
      containers: [{ name: 'a', ports: [{ containerPort: 80 }, { containerPort: 53, protocol: 'UDP' }] }],
      imagePullSecrets: [{}],
    },
  };
  applySchemaDefaults(draft, typeSchema('io.k8s.api.core.v1.Pod'));
  expect(draft).toEqual({
    spec: {
      containers: [
        {
          name: 'a',
          ports: [
            { containerPort: 80, protocol: 'TCP' },
            { containerPort: 53, protocol: 'UDP' },
          ],
        },
      ],
      imagePullSecrets: [{}],
    },
  });
});

test('types that contain themselves are no trouble', () => {
  const draft = { spec: { versions: [{ schema: { openAPIV3Schema: { properties: { a: { type: 'string' } } } } }] } };
  const before = JSON.stringify(draft);
  applySchemaDefaults(
    draft,
    typeSchema('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition'),
  );
  expect(JSON.stringify(draft)).toBe(before);
});
