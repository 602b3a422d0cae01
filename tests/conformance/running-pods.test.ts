/** What is done to pods that run: ephemeral containers that join them, questions about their health over gRPC. */
import { expect } from 'vitest';
import type { Container } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { onRealCluster, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster();
const inDefault = { namespace: 'default' };
const ephemeral = '[sig-node] Ephemeral Containers [NodeConformance]';
const probing = '[sig-node] Probing container should';

/** Adds an ephemeral container to those that the pod has. */
async function debug(stage: RealStage, name: string, container: Pick<Container, 'name'> & Partial<Container>) {
  const { spec } = await stage.of(pods).get(name, inDefault);
  const all = [...(spec?.ephemeralContainers ?? []), { image: 'coxswain.dev/pause:v1', ...container }];
  const options = { ...inDefault, type: 'merge', subresource: 'ephemeralcontainers' } as const;
  await stage.of(pods).patch(name, { spec: { ephemeralContainers: all } }, options);
}

async function runningPod(stage: RealStage): Promise<string> {
  const { metadata } = await stage.create({ containers: [{ name: 'main', image: 'coxswain.dev/pause:v1' }] });
  await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
  return metadata!.name!;
}

behaviour(`${ephemeral} will start an ephemeral container in an existing pod`, async (stage) => {
  const name = await runningPod(stage);
  await debug(stage, name, { name: 'debugger', command: ['sh', '-c', 'echo polo; sleep 600'] });
  await stage.until(name, ({ status }) => status?.ephemeralContainerStatuses?.[0]?.state?.running !== undefined);
  await expect.poll(() => stage.log(name, 'container=debugger')).toBe('polo\n');
});

behaviour(`${ephemeral} should update the ephemeral containers in an existing pod`, async (stage) => {
  const name = await runningPod(stage);
  await debug(stage, name, { name: 'one' });
  await debug(stage, name, { name: 'two' });
  const { spec, status } = await stage.until(name, (pod) => {
    const statuses = pod.status?.ephemeralContainerStatuses ?? [];
    return statuses.length === 2 && statuses.every(({ state }) => state?.running !== undefined);
  });
  expect(spec?.ephemeralContainers?.map((one) => one.name)).toEqual(['one', 'two']);
  expect(status?.containerStatuses?.[0]?.restartCount).toBe(0);
});

const grpcHealth = new URL('./images/grpc-health.ts', import.meta.url).href;

async function askedOn(stage: RealStage, port: number): Promise<string> {
  const livenessProbe = { grpc: { port }, periodSeconds: 1, failureThreshold: 2 };
  const containers = [{ name: 'main', image: grpcHealth, args: ['5000'], livenessProbe }];
  const { metadata } = await stage.create({ containers });
  await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
  return metadata!.name!;
}

behaviour(`${probing} be restarted with a GRPC liveness probe [NodeConformance]`, async (stage) => {
  const name = await askedOn(stage, 2333);
  await stage.until(name, ({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
});

behaviour(`${probing} *not* be restarted with a GRPC liveness probe [NodeConformance]`, async (stage) => {
  const name = await askedOn(stage, 5000);
  const endMs = performance.now() + 4000;
  while (performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { status } = await stage.of(pods).get(name, inDefault);
    expect(status?.containerStatuses?.[0]?.restartCount).toBe(0);
  }
});
