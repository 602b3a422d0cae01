/** Autoscalers in a whole cluster on virtual time, by what its kubelets measure of simulated pods. */
import { expect, onTestFinished, test } from 'vitest';
import type { HorizontalPodAutoscaler } from '#pkg/api/types/autoscaling-v2.ts';
import { deployments, events, horizontalPodAutoscalers } from '#pkg/api/types/refs.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';

const deploymentOf = (name: string, usage: Readonly<Record<string, string>>, replicas = 2) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default' },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: {
        labels: { app: name },
        annotations: Object.fromEntries(
          Object.entries(usage).map(([key, value]) => [`fake.coxswain.dev/${key}`, value]),
        ),
      },
      spec: {
        containers: [
          { name: 'main', image: 'coxswain.dev/pause:v1', resources: { requests: { cpu: '100m', memory: '10Mi' } } },
        ],
      },
    },
  },
});

const autoscalerOf = (name: string, spec: Partial<HorizontalPodAutoscaler['spec']>) => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, namespace: 'default' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
    minReplicas: 1,
    maxReplicas: 10,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
    ...spec,
  },
});

async function start() {
  const cluster = await startTestCluster({ nodes: 2 });
  onTestFinished(() => cluster.stop());
  const { resource } = cluster.client;
  return {
    cluster,
    replicas: async (name: string) => (await resource(deployments).get(name, { namespace: 'default' })).spec?.replicas,
    hpa: (name: string) => resource(horizontalPodAutoscalers).get(name, { namespace: 'default' }),
    said: async (name: string) =>
      (await resource(events).list({ namespace: 'default' })).items
        .filter(
          ({ involvedObject }) => involvedObject.name === name && involvedObject.kind === 'HorizontalPodAutoscaler',
        )
        .map(({ type, reason, message, source }) => `${type} ${reason} ${source?.component}: ${message}`),
  };
}

const conditionsOf = ({ status }: HorizontalPodAutoscaler) =>
  (status?.conditions ?? []).map(({ type, status: is, reason }) => `${type}=${is} ${reason}`);

test('a target is scaled by what its pods use, and back when they use less', async () => {
  const { cluster, replicas, hpa, said } = await start();
  await cluster.apply(deploymentOf('web', { cpu: '80m,10m@10m', memory: '1Mi' }));
  await cluster.apply(autoscalerOf('web', { maxReplicas: 4 }));
  await cluster.until(async () => (await replicas('web')) === 4);
  await cluster.advance(30_000);
  expect(conditionsOf(await hpa('web'))).toEqual([
    'AbleToScale=True ReadyForNewScale',
    'ScalingActive=True ValidMetricFound',
    'ScalingLimited=True TooManyReplicas',
  ]);
  expect(await said('web')).toEqual([
    'Normal SuccessfulRescale horizontal-pod-autoscaler: New size: 4; reason: cpu resource utilization (percentage of request) above target',
  ]);
  // All pods use less after ten minutes of their own, and fewer are put off for five.
  await cluster.until(async () => (await replicas('web')) === 1, 1_500_000);
  await cluster.advance(30_000);
  const { status } = await hpa('web');
  expect([status?.currentReplicas, status?.desiredReplicas, status?.lastScaleTime !== undefined]).toEqual([1, 1, true]);
  expect(status?.currentMetrics).toEqual([
    { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 10, averageValue: '10m' } } },
  ]);
  expect((await said('web')).at(-1)).toMatch(/New size: \d; reason: All metrics below target$/);
});

test('of several metrics the one that asks for most counts, and limits hold', async () => {
  const { cluster, replicas, hpa } = await start();
  await cluster.apply(deploymentOf('web', { cpu: '10m', memory: '64Mi' }));
  await cluster.apply(
    autoscalerOf('web', {
      maxReplicas: 3,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        {
          type: 'ContainerResource',
          containerResource: {
            name: 'memory',
            container: 'main',
            target: { type: 'AverageValue', averageValue: '16Mi' },
          },
        },
      ],
    }),
  );
  await cluster.until(async () => (await replicas('web')) === 3);
  await cluster.advance(20_000);
  expect(conditionsOf(await hpa('web')).at(-1)).toBe('ScalingLimited=True TooManyReplicas');
  expect((await hpa('web')).status?.currentMetrics).toHaveLength(2);
});

test('a target without metrics, one that is not there and one at zero are left alone, and say why', async () => {
  const { cluster, replicas, hpa, said } = await start();
  await cluster.apply(deploymentOf('quiet', {}));
  await cluster.apply(deploymentOf('off', {}, 0));
  for (const name of ['quiet', 'off', 'none']) await cluster.apply(autoscalerOf(name, {}));
  await cluster.until(async () => (await hpa('none')).status?.conditions !== undefined);
  await cluster.until(async () => conditionsOf(await hpa('quiet')).length === 2);
  await cluster.until(async () => conditionsOf(await hpa('off')).length === 2);
  expect([await replicas('quiet'), await replicas('off')]).toEqual([2, 0]);
  expect(conditionsOf(await hpa('quiet'))).toEqual([
    'AbleToScale=True SucceededGetScale',
    'ScalingActive=False FailedGetResourceMetric',
  ]);
  expect(await said('quiet')).toEqual(
    expect.arrayContaining([
      'Warning FailedGetResourceMetric horizontal-pod-autoscaler: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
      'Warning FailedComputeMetricsReplicas horizontal-pod-autoscaler: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    ]),
  );
  expect(conditionsOf(await hpa('off'))).toEqual([
    'AbleToScale=True SucceededGetScale',
    'ScalingActive=False ScalingDisabled',
  ]);
  expect(conditionsOf(await hpa('none'))).toEqual(['AbleToScale=False FailedGetScale']);
  expect(await said('none')).toEqual([
    'Warning FailedGetScale horizontal-pod-autoscaler: deployments.apps "none" not found',
  ]);
});

test('two autoscalers of the same pods do nothing', async () => {
  const { cluster, replicas, hpa } = await start();
  await cluster.apply(deploymentOf('web', { cpu: '90m', memory: '1Mi' }));
  await cluster.apply(
    autoscalerOf('one', { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }),
  );
  await cluster.apply(
    autoscalerOf('two', { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }),
  );
  await cluster.until(async () => conditionsOf(await hpa('two')).includes('ScalingActive=False AmbiguousSelector'));
  expect((await hpa('two')).status?.conditions?.at(-1)?.message).toBe(
    'pods by selector app=web are controlled by multiple HPAs: [default/one default/two]',
  );
  expect([2, 4]).toContain(await replicas('web'));
});

test('replicas outside of the limits are brought back without any metric', async () => {
  const { cluster, replicas } = await start();
  await cluster.apply(deploymentOf('many', {}, 5));
  await cluster.apply(deploymentOf('few', {}, 1));
  await cluster.apply(autoscalerOf('many', { maxReplicas: 3 }));
  await cluster.apply(autoscalerOf('few', { minReplicas: 2 }));
  await cluster.until(async () => (await replicas('many')) === 3 && (await replicas('few')) === 2);
});
