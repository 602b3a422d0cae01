import { expect, test } from 'vitest';
import { evaluatePath, renderTemplate } from './jsonpath.ts';

const root = {
  kind: 'Pod',
  metadata: { name: 'web', labels: { 'app.kubernetes.io/name': 'x' } },
  status: {
    conditions: [
      { type: 'Ready', status: 'True', weight: 3 },
      { type: 'Other', status: 'False', weight: 1 },
    ],
  },
};

test.each<[string, unknown[]]>([
  ['{.metadata.name}', ['web']],
  ['metadata.name', ['web']],
  ['{$.kind}', ['Pod']],
  ['{.status.conditions[0].type}', ['Ready']],
  ['{.status.conditions[-1].type}', ['Other']],
  ['{.status.conditions[*].type}', ['Ready', 'Other']],
  ['{.status.conditions[?(@.type=="Ready")].status}', ['True']],
  ['{.status.conditions[?(@.weight<2)].type}', ['Other']],
  ["{.metadata.labels['app.kubernetes.io/name']}", ['x']],
  ['{.metadata.labels.app\\.kubernetes\\.io/name}', ['x']],
  ['{.nothing.here}', []],
  ['{.constructor}', []],
])('%s', (path, expected) => {
  expect(evaluatePath(path, root)).toEqual(expected);
});

test('a template joins text and values', () => {
  expect(renderTemplate('{.kind}/{.metadata.name}{"\\n"}', root)).toBe('Pod/web\n');
  expect(renderTemplate('{.status.conditions[*].type}', root)).toBe('Ready Other');
});

test('what is not supported is refused', () => {
  expect(() => evaluatePath('{..name}', root)).toThrow('this form is not supported');
});
