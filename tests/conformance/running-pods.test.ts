/** What is done to pods that run: ephemeral containers that join them, questions about their health over gRPC. */
import { Agent, WebSocket } from 'undici';
import { expect, onTestFinished } from 'vitest';
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

async function askedOn(stage: RealStage, port: number, more: Partial<Container> = {}): Promise<string> {
  const livenessProbe = { grpc: { port }, periodSeconds: 1, failureThreshold: 2 };
  const containers = [{ name: 'main', image: grpcHealth, args: ['5000'], livenessProbe, ...more }];
  const { metadata } = await stage.create({ containers });
  await stage.until(metadata!.name!, ({ status }) => status?.phase === 'Running');
  return metadata!.name!;
}

behaviour(`${probing} be restarted with a GRPC liveness probe [NodeConformance]`, async (stage) => {
  const name = await askedOn(stage, 2333);
  await stage.until(name, ({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
});

behaviour(`${probing} *not* be restarted with a GRPC liveness probe [NodeConformance]`, async (stage) => {
  // However slow the machine is: the probe counts once it has held, and is waited for.
  const probe = { grpc: { port: 5000 }, periodSeconds: 1, timeoutSeconds: 60 };
  const startupProbe = { ...probe, failureThreshold: 600 };
  const name = await askedOn(stage, 5000, { livenessProbe: { ...probe, failureThreshold: 2 }, startupProbe });
  await stage.until(name, ({ status }) => status?.containerStatuses?.[0]?.started === true);
  const endMs = performance.now() + 4000;
  while (performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { status } = await stage.of(pods).get(name, inDefault);
    expect(status?.containerStatuses?.[0]?.restartCount).toBe(0);
  }
});

behaviour(
  '[sig-node] Pods should support retrieving logs from the container over websockets [NodeConformance]',
  async (stage) => {
    const command = ['sh', '-c', 'echo container is alive; sleep 600'];
    const { metadata } = await stage.create({
      containers: [{ name: 'main', image: 'coxswain.dev/pause:v1', command }],
    });
    const name = metadata!.name!;
    await expect.poll(() => stage.log(name).catch(() => '')).toBe('container is alive\n');
    const { server, pki } = stage.cluster;
    const { certificate: cert, key } = pki.identities.get('admin')!;
    const dispatcher = new Agent({ connect: { ca: pki.authority.certificate, cert, key } });
    onTestFinished(() => dispatcher.destroy());
    const url = `${server.replace('https', 'wss')}/api/v1/namespaces/default/pods/${name}/log?container=main`;
    const socket = new WebSocket(url, { protocols: ['binary.k8s.io'], dispatcher });
    socket.binaryType = 'arraybuffer';
    let text = '';
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => {
        text += new TextDecoder().decode(data as ArrayBuffer);
      });
      socket.addEventListener('error', ({ message }) => reject(new Error(message)));
      socket.addEventListener('close', () => resolve());
    });
    expect([socket.protocol, text]).toEqual(['binary.k8s.io', 'container is alive\n']);
  },
);
