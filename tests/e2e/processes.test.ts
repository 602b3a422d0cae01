/** Five processes that anyone may kill: what was acknowledged stays, and a restarted part goes on where it was. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';

interface ProcessStatus {
  readonly name: string;
  readonly pid?: number;
  readonly health: string;
}

async function processes(cluster: RunningCluster): Promise<readonly ProcessStatus[]> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  return (JSON.parse(stdout) as { processes: readonly ProcessStatus[] }).processes;
}

describe('--processes', () => {
  let cluster: RunningCluster;

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags: ['--processes'] });
    const create = ['create', 'deployment', 'web', '--image=coxswain.dev/echo:v1', '--replicas=2'];
    await cluster.kubectl(kubectl, create);
    await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=60s']);
  }, hookMs);

  afterAll(async () => {
    await cluster?.remove();
  }, hookMs);

  test.each([['kube-apiserver'], ['kube-controller-manager'], ['kube-scheduler'], ['kube-proxy'], ['kubelet']])(
    'killing %s and starting it again loses nothing',
    async (name) => {
      const victim = (await processes(cluster)).find((process) => process.name.startsWith(name));
      expect(victim?.pid, `${name} runs`).toBeGreaterThan(0);
      process.kill(victim!.pid!, 'SIGKILL');
      const marker = `after-${name}`;
      if (name !== 'kube-apiserver') await cluster.kubectl(kubectl, ['create', 'configmap', marker]);
      expect((await cluster.up()).code).toBe(0);
      if (name === 'kube-apiserver') await cluster.kubectl(kubectl, ['create', 'configmap', marker]);
      const now = await processes(cluster);
      expect(
        now.every((each) => each.pid !== undefined),
        JSON.stringify(now),
      ).toBe(true);
      expect(now.find((each) => each.name === victim!.name)?.pid).not.toBe(victim!.pid);
      // The cluster as a whole still works: a change goes through all of its parts.
      await cluster.kubectl(kubectl, ['set', 'env', 'deployment/web', `LAST_KILLED=${name}`]);
      await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=60s']);
      expect(await cluster.kubectl(kubectl, ['get', 'configmap', marker, '-o', 'name'])).toBe(`configmap/${marker}\n`);
    },
  );
});

describe('one process', () => {
  test('down and up with the same data folder bring the same cluster back', async () => {
    const cluster = await RunningCluster.start();
    try {
      await cluster.kubectl(kubectl, ['create', 'deployment', 'web', '--image=coxswain.dev/echo:v1']);
      await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=60s']);
      const before = await cluster.kubectl(kubectl, ['get', 'deployment', 'web', '-o', 'jsonpath={.metadata.uid}']);
      const ca = await cluster.kubectl(kubectl, ['config', 'view', '--raw', '-o', 'jsonpath={.clusters[0].cluster}']);
      expect((await cluster.down()).code).toBe(0);
      expect((await cluster.tryKubectl(kubectl, ['get', 'nodes', '--request-timeout=2s'])).code).toBe(1);
      expect((await cluster.up()).code).toBe(0);
      expect(await cluster.kubectl(kubectl, ['get', 'deployment', 'web', '-o', 'jsonpath={.metadata.uid}'])).toBe(
        before,
      );
      expect(await cluster.kubectl(kubectl, ['config', 'view', '--raw', '-o', 'jsonpath={.clusters[0].cluster}'])).toBe(
        ca,
      );
      await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=60s']);
      await eventually(
        () =>
          cluster.kubectl(kubectl, [
            'get',
            'pods',
            '-l',
            'app=web',
            '-o',
            'jsonpath={.items[*].status.containerStatuses[0].restartCount}',
          ]),
        (count) => Number(count) >= 1,
      );
    } finally {
      await cluster.remove();
    }
  });

  test('up twice is the same as up once', async () => {
    const cluster = await RunningCluster.start();
    try {
      const pids = await processes(cluster);
      expect((await cluster.up()).code).toBe(0);
      expect(await processes(cluster)).toEqual(pids);
    } finally {
      await cluster.remove();
    }
  });
});
