import { expect, test } from 'vitest';
import { configMapStrategy } from './config-map.ts';

test.each([
  ['data', { data: { a: 'x'.repeat(2 ** 20), b: 'y' } }],
  ['binary data', { binaryData: { a: Buffer.alloc(2 ** 20 + 1).toString('base64') } }],
])('%s beyond 1 MiB is an error of the whole object, whose path Go shows as [] (fault 22)', (_, fields) => {
  const draft = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace: 'default' }, ...fields };
  expect(configMapStrategy.validate?.(draft as never, undefined as never)).toEqual([
    { reason: 'FieldValueTooLong', field: '[]', message: 'Too long: may not be more than 1048576 bytes' },
  ]);
});
