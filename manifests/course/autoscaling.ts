/**
 * An hour of a shop whose load doubles and falls again, on virtual time: how many replicas its autoscaler asks for, every ten minutes. Run by `npx node --conditions=coxswain-source manifests/course/autoscaling.ts`
 * in a checkout; `coxswain/testing` is the library that tests use.
 */
import process from 'node:process';
import type { HorizontalPodAutoscaler } from 'coxswain/api/autoscaling-v2';
import { makeDeployment, startTestCluster } from 'coxswain/testing';

const minuteMs = 60_000;

const cluster = await startTestCluster({ nodes: 4 });
// Each replica uses 250m of its 500m, 450m from its tenth minute on, 100m from its thirtieth.
const annotations = { 'fake.coxswain.dev/cpu': '250m,450m@10m,100m@30m' };
await cluster.apply(makeDeployment('shop', { replicas: 2, requests: { cpu: '500m' }, annotations }));
const autoscaler: HorizontalPodAutoscaler = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'shop', namespace: 'default' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
    minReplicas: 2,
    maxReplicas: 8,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } }],
  },
};
await cluster.apply(autoscaler);
for (let minute = 0; minute <= 60; minute += 10) {
  const replicas = cluster.pods().length;
  process.stdout.write(`minute ${String(minute).padStart(2)}: ${'#'.repeat(replicas)} ${replicas}\n`);
  await cluster.advance(10 * minuteMs);
}
await cluster.stop();
