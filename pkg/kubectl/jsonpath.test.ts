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
  ['{@.kind}', []],
  ['{.status.conditions[0].type}', ['Ready']],
  ['{.status.conditions[-1].type}', ['Other']],
  ['{.status.conditions[*].type}', ['Ready', 'Other']],
  ['{.status.conditions[?(@.type=="Ready")].status}', ['True']],
  ['{.status.conditions[?(@.weight<2)].type}', ['Other']],
  ["{.metadata.labels['app\\.kubernetes\\.io/name']}", ['x']],
  ["{.metadata.labels['app.kubernetes.io/name']}", []],
  ['{.metadata.labels.app\\.kubernetes\\.io/name}', ['x']],
  ['{.nothing.here}', []],
  ['{.constructor}', []],
])('%s', (path, expected) => {
  expect(evaluatePath(path, root)).toEqual(expected);
});

test.each<[string, string]>([
  ['{.kind}/{.metadata.name}{"\\n"}', 'Pod/web\n'],
  ['{$.kind}{@.kind}{.}', 'PodPod'],
  ['{.status.conditions[*].type}', 'Ready Other'],
  ['{range .status.conditions[*]}{.type}={.status}{"\\t"}{end}done', 'Ready=True\tOther=False\tdone'],
  ['{range .status.conditions[?(@.weight>0)]}{range @}{.type}{end};{end}', 'Ready;Other;'],
  ['{..type}', 'Ready Other'],
  ['{.status.conditions[0:1].type}', 'Ready'],
  ['{.status.conditions[1:].type}', 'Other'],
  ['{.status.conditions[::2].type}', 'Ready'],
  ['{.status.conditions[0,1].weight}', '3 1'],
  ["{.metadata['name','labels']}", 'web {"app.kubernetes.io/name":"x"}'],
  ['{.status.conditions[?(@.type=="Ready")]}', '{"status":"True","type":"Ready","weight":3}'],
  ['{.status.conditions[?(@.status!="True")].type}', 'Other'],
  ['{.status.conditions[?(@.none)].type}', ''],
  ['plain', 'plain'],
])('the template %s', (template, expected) => {
  expect(renderTemplate(template, root)).toBe(expected);
});

test.each<[string, string]>([
  ['{.metadata', 'unclosed action'],
  ['{.a[0}', 'unterminated array'],
  ['{.a["x"]}', 'invalid array index "x"'],
  ['{.a[?(@.b}', 'unterminated filter'],
  ['{"x}', 'unterminated quoted string'],
  ['{....a}', 'invalid multiple recursive descent'],
  ['{nonsense}', 'unrecognized identifier nonsense'],
  ['{.a}{end}', 'not in range, nothing to end'],
  ['{#}', "unrecognized character in action: U+0023 '#'"],
])('the template %s is refused', (template, message) => {
  expect(() => renderTemplate(template, root)).toThrow(`error: error parsing jsonpath ${template}, ${message}`);
});

test('an index beyond the end is an error, also from the end', () => {
  expect(() => renderTemplate('{.status.conditions[2]}', root)).toThrow('array index out of bounds: index 2, length 2');
  expect(() => renderTemplate('{.status.conditions[-3]}', root)).toThrow('array index out of bounds');
  expect(() => renderTemplate('{.metadata[0]}', root)).toThrow('is not array or slice');
  expect(() => renderTemplate('{.metadata[?(@.a)]}', root)).toThrow('cannot be filtered');
});

test('a path may leave out its braces, but is one path', () => {
  expect(() => evaluatePath('{.a}{.b}', root)).toThrow('unexpected path string');
});
