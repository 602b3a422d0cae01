import { expect, test } from 'vitest';
import type { TablePrinter } from '../strategy.ts';
import { tableOf } from './table.ts';

const printer: TablePrinter = {
  columns: [
    { name: 'Name', type: 'string', format: 'name' },
    { name: 'IP', type: 'string', priority: 1 },
  ],
  cells: (object) => [object.metadata?.name ?? '', '<none>'],
};

const object = { metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' } };
const common = { objects: [object], metadata: { resourceVersion: '7' }, nowMs: 0 } as const;

test('a table has all columns, and rows with what was asked for beside the cells', () => {
  expect(tableOf({ ...common, printer, includeObject: 'Metadata' })).toEqual({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: '7' },
    columnDefinitions: [
      { name: 'Name', type: 'string', format: 'name', description: '', priority: 0 },
      { name: 'IP', type: 'string', format: '', description: '', priority: 1 },
    ],
    rows: [
      {
        cells: ['a', '<none>'],
        object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
      },
    ],
  });
});

test.each([
  ['None', null],
  ['Object', object],
] as const)('a row includes %s', (includeObject, wanted) => {
  expect(tableOf({ ...common, printer, includeObject }).rows[0]!.object).toEqual(wanted);
});

test('a kind without a printer shows its name and when it was made', () => {
  const table = tableOf({ ...common, printer: undefined, includeObject: 'None' });
  expect(table.columnDefinitions!.map(({ name }) => name)).toEqual(['Name', 'Created At']);
  expect(table.rows[0]!.cells).toEqual(['a', '2026-01-01T00:00:00Z']);
});

test('the events of a watch after the first leave the columns out', () => {
  const table = tableOf({ ...common, printer, includeObject: 'None', noHeaders: true, version: 'v1beta1' });
  expect([table.columnDefinitions, table.apiVersion]).toEqual([null, 'meta.k8s.io/v1beta1']);
});
