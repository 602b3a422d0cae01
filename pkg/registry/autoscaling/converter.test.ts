import { expect, test } from 'vitest';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const path = (version: string): string => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;

test.each([
  [undefined, 80],
  [55, 55],
])('an autoscaler of version 1 that aims at %s percent aims at %i', async (targetCPUUtilizationPercentage, percent) => {
  const { call } = await startTestServer();
  const spec = { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage };
  await call('POST', path('v1'), { object: { metadata: { name: 'web' }, spec } });
  const target = { type: 'Utilization', averageUtilization: percent };
  const second = await call('GET', `${path('v2')}/web`);
  expect(second.body.spec.metrics).toEqual([{ type: 'Resource', resource: { name: 'cpu', target } }]);
  const first = await call('GET', `${path('v1')}/web`);
  expect(first.body.spec.targetCPUUtilizationPercentage).toBe(percent);
});

test('metrics that are not there are not carried in an annotation', async () => {
  const strategies = [
    {
      group: 'autoscaling',
      resource: 'horizontalpodautoscalers',
      prepareForCreate(draft: Record<string, unknown>) {
        draft.status = { desiredReplicas: 0, currentMetrics: null };
      },
    },
  ];
  const { call } = await startTestServer({ strategies });
  await call('POST', path('v2'), { object: { metadata: { name: 'web' }, spec: { scaleTargetRef, maxReplicas: 5 } } });
  expect((await call('GET', `${path('v1')}/web`)).body.metadata.annotations).toBeUndefined();
});
