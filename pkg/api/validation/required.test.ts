import { expect, test } from 'vitest';
import { typeSchema } from '../facts.ts';
import { validateRequired } from './required.ts';

const missing = (type: string, draft: object): string[] =>
  validateRequired(draft as Record<string, unknown>, typeSchema(`io.k8s.api.${type}`)).map(
    (error) => `${error.field}: ${error.message}`,
  );

test('missing and empty required fields are named', () => {
  expect(missing('core.v1.Pod', { spec: {} })).toEqual(['spec.containers: Required value']);
  expect(missing('core.v1.Pod', { spec: { containers: [] } })).toEqual(['spec.containers: Required value']);
  expect(missing('core.v1.Pod', { spec: { containers: [{ name: '', env: [{ value: 'x' }] }] } })).toEqual([
    'spec.containers[0].name: Required value',
    'spec.containers[0].env[0].name: Required value',
  ]);
  expect(missing('core.v1.Pod', { spec: { containers: [{ name: 'a', image: 'b' }] } })).toEqual([]);
});

test('a required object that is absent is searched as an empty one', () => {
  expect(missing('apps.v1.Deployment', { spec: { selector: {} } })).toEqual([
    'spec.template.spec.containers: Required value',
  ]);
});

test('metadata and status have their own rules', () => {
  expect(
    missing('core.v1.Pod', {
      spec: { containers: [{ name: 'a' }] },
      status: { containerStatuses: [{}] },
      metadata: { ownerReferences: [{}] },
    }),
  ).toEqual([]);
});
