/**
 * What the kubelet knows of a node and its pods has one writer: the fields of its classes are private or readonly, so that a class which changes
 * nothing of others by its methods is the only one that changes what it knows.
 */
import { expect, test } from 'vitest';
import { type SourceFile, sourceFiles } from './source-files.ts';

const places = /^pkg\/kubelet\/(?:[a-z-]+\.ts|(?:images|node|pods|probes|status|volumes)\/)/;

/** Fields at the first level of classes that others could write. */
function openFields({ path, text }: SourceFile): readonly string[] {
  const classes = [...text.matchAll(/^(?:export )?class (\w+)[^\n]*\{\n([\s\S]*?)^\}/gm)];
  return classes.flatMap(([, name, body = '']) =>
    [
      ...body.matchAll(
        /^ {2}(?!readonly |override readonly |static readonly )([a-z]\w*)[?!]?(?::[^(\n]*)?(?: = [^\n]*)?;$/gm,
      ),
    ].map(([, field]) => `${path}: ${name}.${field}`),
  );
}

test('no class of the kubelet has a field that others can write', () => {
  const files = sourceFiles().filter(({ path, isTest }) => places.test(path) && !isTest);
  expect(files.length).toBeGreaterThan(40);
  expect(files.flatMap(openFields)).toEqual([]);
});

test('such a field is found', () => {
  const text =
    'export class Pod {\n  readonly a = 1;\n  #b = 2;\n  open: string | undefined;\n  also = new Map();\n  get c() {}\n}\n';
  const found = openFields({ path: 'x.ts', text, imports: [], isTest: false });
  expect(found).toEqual(['x.ts: Pod.open', 'x.ts: Pod.also']);
});
