/** Go templates: the same text as kubectl's, and a word for what is no template. The right column was printed by kubectl 1.35. */
import { expect, test } from 'vitest';
import { renderGoTemplate } from './go-template.ts';

const object = {
  kind: 'Pod',
  metadata: { name: 'web', labels: { b: '2', a: '1' } },
  spec: { containers: [{ name: 'one', ports: [80, 81] }, { name: 'two' }] },
  data: { word: 'aGVsbG8=' },
};

test.each([
  ['{{.metadata.name}}', 'web'],
  ['{{range .spec.containers}}{{.name}} {{end}}', 'one two '],
  ['{{range $i, $c := .spec.containers}}{{$i}}={{$c.name}};{{end}}', '0=one;1=two;'],
  ['{{range .spec.none}}x{{else}}none{{end}}', 'none'],
  ['{{range $k, $v := .metadata.labels}}{{$k}}{{$v}}{{end}}', 'a1b2'],
  ['{{if eq .kind "Pod"}}yes{{else if .x}}maybe{{else}}no{{end}}', 'yes'],
  ['{{with .metadata}}{{.name}}{{end}}', 'web'],
  ['{{$n := .metadata.name}}{{$n}}', 'web'],
  ['{{index .metadata.labels "a"}}{{(index .spec.containers 1).name}}', '1two'],
  ['{{.data.word | base64decode}}', 'hello'],
  ['{{printf "%s-%d" .kind (len .spec.containers)}}', 'Pod-2'],
  ['{{.missing}}', '<no value>'],
  ['{{.metadata.labels}}', 'map[a:1 b:2]'],
  ['a {{- /* nothing */ -}} b', 'ab'],
  ['{{"x\\ty"}}', 'x\ty'],
  ['{{not true}} {{and 1 0}} {{or "" "z"}} {{lt 1 2}}', 'false 0 z true'],
])('%s', (template, text) => {
  expect(renderGoTemplate(template, object)).toBe(text);
});

test.each([
  ['{{', 'unclosed action'],
  ['{{end}}', 'unexpected {{end}}'],
  ['{{range .a}}', 'unexpected EOF'],
  ['{{nonesuch}}', 'function "nonesuch" not defined'],
  ['{{.metadata.name.x}}', "can't evaluate field x"],
  [`${'{{if .}}'.repeat(200)}`, 'too deeply nested'],
])('%s is refused', (template, message) => {
  expect(() => renderGoTemplate(template, object)).toThrow(message);
});
