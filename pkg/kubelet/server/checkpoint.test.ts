import { expect, test } from 'vitest';
import { pods } from '#pkg/api/types/refs.ts';
import { pod, start } from '../testing/virtual-node.ts';

test.each([
  [
    'POST',
    '/checkpoint/default/web/app',
    '',
    500,
    'checkpointing of default/web/app failed (the fake runtime writes no checkpoints of containers)',
  ],
  ['POST', '/checkpoint/default/web/other', '', 404, 'container other does not exist'],
  ['POST', '/checkpoint/default/none/app', '', 404, 'pod does not exist'],
  ['POST', '/checkpoint/default/web/app', 'timeout=soon', 404, 'cannot parse value of timeout parameter'],
  ['POST', '/checkpoint/default', '', 404, '404 page not found'],
  ['GET', '/checkpoint/default/web/app', '', 405, 'Method Not Allowed'],
])('%s %s %s is answered with %d', async (method, path, query, status, message) => {
  const cluster = await start();
  await cluster.client.resource(pods).create(pod('web'));
  await cluster.clock.settle();
  const { signal } = new AbortController();
  const answer = await cluster.kubelet.handle({ method, path, query, headers: {}, peer: { address: '' }, signal });
  const body = answer.body.kind === 'bytes' ? new TextDecoder().decode(answer.body.bytes) : '';
  expect([answer.status, body]).toEqual([status, message]);
});
