/** A cluster of real containers that is paused: they stand still with it, cannot see that, and go on with whoever comes next. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { processesOf } from './node-remains.ts';
import { noContainers } from './real-containers.ts';

if (noContainers !== undefined) console.log(`skipped: a paused cluster of containers: ${noContainers}`);

const name = `paused${process.pid}`;
const image = 'busybox:1';
const script = 'trap "echo seen" CONT; n=0; while :; do n=$((n + 1)); echo $n; sleep 0.02; done';

describe.skipIf(noContainers !== undefined)('a cluster of containers that is paused', () => {
  let cluster: RunningCluster;
  const coxswain = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await cluster.coxswain(args);
    expect([code, stderr], args.join(' ')).toEqual([0, '']);
    return stdout;
  };
  /** Empty as long as its kubelet, which may have begun just now, does not know it. */
  const log = async (): Promise<string> => (await cluster.tryKubectl('35', ['logs', 'counter'])).stdout;
  const goesOn = async (): Promise<void> => {
    const before = (await eventually(log, (text) => text !== '', hookMs)).length;
    const after = await eventually(log, (text) => text.length > before, hookMs);
    expect(after.length).toBeGreaterThan(before);
    expect(after).not.toContain('seen');
  };

  beforeAll(async () => {
    cluster = await Clusters.start({ flags: ['--name', name, '--processes', '--runtime', 'container'] });
    const archive = join(cluster.dataDir, 'busybox.tar');
    writeBusyboxArchive(archive, image);
    await coxswain('image', 'load', archive);
    const container = { name: 'main', image, imagePullPolicy: 'Never', command: ['sh', '-c', script] };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'counter' },
      spec: { containers: [container], terminationGracePeriodSeconds: 0 },
    };
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(pod) });
    await cluster.kubectl('35', ['wait', 'pod/counter', '--for=condition=Ready', '--timeout=120s']);
  }, hookMs);

  afterAll(async () => {
    if (cluster === undefined) return;
    await coxswain('down', '--delete-data');
    await cluster.remove();
  }, hookMs);

  test(
    'goes on where it was',
    async () => {
      await goesOn();
      await coxswain('pause');
      await coxswain('pause');
      await coxswain('unpause');
      await goesOn();
    },
    hookMs,
  );

  test(
    'has its containers go on with the next kubelet when all of its processes are killed',
    async () => {
      await coxswain('pause');
      for (const { pid } of processesOf(cluster.dataDir)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended with another.
        }
      }
      await eventually(
        async () => processesOf(cluster.dataDir).length,
        (count) => count === 0,
        hookMs,
      );
      const { code, stderr } = await cluster.up();
      expect(code, stderr).toBe(0);
      await goesOn();
      const restarts = '-o=jsonpath={.status.containerStatuses[0].restartCount}';
      expect(await cluster.kubectl('35', ['get', 'pod', 'counter', restarts])).toBe('0');
    },
    hookMs,
  );

  test(
    'is ended as any other',
    async () => {
      await coxswain('pause');
      expect(await coxswain('down')).toContain('Stopped the cluster');
      const { code, stderr } = await cluster.up();
      expect(code, stderr).toBe(0);
    },
    hookMs,
  );
});
