import { expect, test } from 'vitest';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';

test.each([
  ['/api/v1/endpoints', '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'],
  ['/api/v1/componentstatuses', '299 - "v1 ComponentStatus is deprecated in v1.19+"'],
  ['/apis/discovery.k8s.io/v1/endpointslices', undefined],
])('whoever asks for %s is warned when its kind is deprecated', async (target, warning) => {
  const { call } = await startTestServer();
  const answer = await call('GET', target);
  expect([answer.status, answer.headers.warning]).toEqual([200, warning]);
});
