/** Processors of a container's own: what the kernel says of those who have them and of those who share the rest, as pods come and go and the kubelet is killed. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatCpus } from '#pkg/kubelet/cpus/cpu-set.ts';
import { machineCpus } from '#pkg/kubelet/cpus/machine-cpus.ts';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { noContainers } from './real-containers.ts';

const cpus = machineCpus().map(({ id }) => id);
const [reserved = 0, ...others] = cpus;
const impossible = noContainers ?? (others.length > 0 ? undefined : 'the machine has one processor');
if (impossible !== undefined) console.log(`skipped: processors of containers: ${impossible}`);

const name = `cpus${process.pid}`;
const image = 'busybox:1';

describe.skipIf(impossible !== undefined)('processors of containers', () => {
  let cluster: RunningCluster;
  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);
  const create = (podName: string, resources: object): Promise<string> => {
    const main = { name: 'main', image, imagePullPolicy: 'Never', command: ['sleep', '100000'], resources };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: podName },
      spec: { containers: [main], terminationGracePeriodSeconds: 0, automountServiceAccountToken: false },
    };
    return cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(pod) });
  };
  /** Resolves with the processors that the kernel lets a command of the pod's container run on, once they are these. */
  const runsOn = (podName: string, wanted: readonly number[]): Promise<string> =>
    eventually(
      async () => {
        const command = ['exec', podName, '--', 'cat', '/proc/self/status'];
        const { stdout } = await cluster.tryKubectl('35', command);
        return /^Cpus_allowed_list:\s*(\S+)$/m.exec(stdout)?.[1] ?? '';
      },
      (found) => found === formatCpus(wanted),
      hookMs,
    );

  beforeAll(async () => {
    const kubelet = [
      'cpu-manager-policy=static',
      `reserved-cpus=${reserved}`,
      'topology-manager-policy=single-numa-node',
    ];
    cluster = await Clusters.start({
      flags: [
        ...['--name', name, '--processes', '--runtime', 'container'],
        ...kubelet.flatMap((flag) => ['--extra-config', `kubelet.${flag}`]),
      ],
    });
    const archive = join(cluster.dataDir, 'busybox.tar');
    writeBusyboxArchive(archive, image);
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect(loaded.code, loaded.stderr).toBe(0);
  }, hookMs);

  afterAll(async () => {
    await cluster?.coxswain(['down', '--delete-data']);
    await cluster?.remove();
  }, hookMs);

  test(
    "are one container's alone while it runs, whatever its kubelet does, and all others' after",
    async () => {
      const path = 'jsonpath={.items[0].status.allocatable.cpu}';
      expect(await kubectl('get', 'nodes', '-o', path)).toMatch(
        new RegExp(`^(${others.length}|${others.length}000m)$`),
      );
      await create('small', {});
      await kubectl('wait', 'pod/small', '--for=condition=Ready', '--timeout=300s');
      await runsOn('small', cpus);
      const [own = 0, ...left] = others;
      const whole = { cpu: '1', memory: '32Mi' };
      await create('own', { requests: whole, limits: whole });
      await kubectl('wait', 'pod/own', '--for=condition=Ready', '--timeout=300s');
      await runsOn('own', [own]);
      await runsOn('small', [reserved, ...left]);

      const kubelet = async (): Promise<{
        readonly pid: number;
        readonly restarts: number;
        readonly health: string;
      }> => {
        const { processes } = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
        return processes.find((one: { readonly name: string }) => one.name.startsWith('kubelet'));
      };
      process.kill((await kubelet()).pid, 'SIGKILL');
      await eventually(kubelet, ({ health, restarts }) => health === 'healthy' && restarts > 0, hookMs);
      await create('late', {});
      await kubectl('wait', 'pod/late', '--for=condition=Ready', '--timeout=300s');
      await runsOn('late', [reserved, ...left]);
      await runsOn('own', [own]);

      await kubectl('delete', 'pod', 'own', '--timeout=300s');
      await runsOn('small', cpus);
      await runsOn('late', cpus);
    },
    hookMs * 2,
  );
});
