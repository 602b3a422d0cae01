import { expect, test } from 'vitest';
import { startTestServer } from '../testing/test-server.ts';

test('a scale has columns of its own, whatever it belongs to', async () => {
  const { call } = await startTestServer();
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { replicas: 3, selector: { matchLabels: { a: 'b' } }, template };
  await call('POST', deployments, { object: { metadata: { name: 'web' }, spec } });
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const { body } = await call('GET', `${deployments}/web/scale`, { headers });
  expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual([
    'Name',
    'Desired',
    'Available',
    'Age',
  ]);
  expect(body.rows.map(({ cells }: { cells: unknown[] }) => cells)).toEqual([['web', 3, 0, '0s']]);
});
