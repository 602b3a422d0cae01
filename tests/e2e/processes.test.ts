/** Five processes that anyone may kill: they are started again, what was acknowledged stays, and a restarted part goes on where it was. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';

interface ProcessStatus {
  readonly name: string;
  readonly pid?: number;
  readonly health: string;
  readonly restarts?: number;
  readonly message?: string;
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

  test('nobody starts nodes, which is said before one is asked for', async () => {
    const { code, stdout, stderr } = await cluster.coxswain(['node', 'add', 'extra']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^coxswain: Cannot add a node "extra": nobody in this cluster starts nodes: [^\n]*\n$/);
    expect(await cluster.kubectl(kubectl, ['get', 'nodeclaims', '-o', 'name'])).toBe('');
  });

  test.each([['kube-apiserver'], ['kube-controller-manager'], ['kube-scheduler'], ['kube-proxy'], ['kubelet']])(
    'killing %s loses nothing: it is started again (faults 47 and 52)',
    async (name) => {
      const victim = (await processes(cluster)).find((process) => process.name.startsWith(name));
      expect(victim?.pid, `${name} runs`).toBeGreaterThan(0);
      process.kill(victim!.pid!, 'SIGKILL');
      const marker = `after-${name}`;
      if (name !== 'kube-apiserver') await cluster.kubectl(kubectl, ['create', 'configmap', marker]);
      const now = await eventually(
        () => processes(cluster),
        (all) =>
          all.every(({ health }) => health === 'healthy') &&
          all.find((each) => each.name === victim!.name)?.restarts === 1,
      );
      if (name === 'kube-apiserver') await cluster.kubectl(kubectl, ['create', 'configmap', marker]);
      const again = now.find((each) => each.name === victim!.name)!;
      expect(again.message).toBe('it has ended by the signal SIGKILL before');
      expect(again.pid).not.toBe(victim!.pid);
      // The cluster as a whole still works: a change goes through all of its parts.
      await cluster.kubectl(kubectl, ['set', 'env', 'deployment/web', `LAST_KILLED=${name}`]);
      await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=60s']);
      expect(await cluster.kubectl(kubectl, ['get', 'configmap', marker, '-o', 'name'])).toBe(`configmap/${marker}\n`);
    },
  );

  test('one that cannot start says why, and up waits until it does', async () => {
    const proxy = (await processes(cluster)).find(({ name }) => name === 'kube-proxy')!;
    const file = join(cluster.dataDir, 'conf', 'kube-proxy.yaml');
    const config = readFileSync(file, 'utf8');
    writeFileSync(file, `${config}proxyMod: none\n`);
    process.kill(proxy.pid!, 'SIGKILL');
    const problem = 'proxyMod: unknown field (did you mean proxyMode?)';
    await eventually(
      async () => (await processes(cluster)).find(({ name }) => name === 'kube-proxy'),
      (one) => one?.health === 'stopped' && one.message?.includes(problem) === true,
    );
    const { code, stderr } = await cluster.coxswain(['up', '--detach', '--wait', '3s']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/coxswain: Cannot start kube-proxy within 3 s: .*proxyMod/),
    ]);
    writeFileSync(file, config);
    expect((await cluster.up()).code).toBe(0);
    expect((await processes(cluster)).map(({ health }) => health)).toEqual(Array(7).fill('healthy'));
  });

  test('without the one that starts them again they run on, and up puts another there', async () => {
    const before = await processes(cluster);
    process.kill(before.find(({ name }) => name === 'supervisor')!.pid!, 'SIGKILL');
    expect((await processes(cluster)).find(({ name }) => name === 'supervisor')).toMatchObject({ health: 'stopped' });
    expect((await cluster.up()).code).toBe(0);
    const pids = (all: readonly ProcessStatus[]) =>
      all.filter(({ name }) => name !== 'supervisor').map(({ name, pid }) => [name, pid]);
    const now = await processes(cluster);
    expect(pids(now)).toEqual(pids(before));
    const scheduler = now.find(({ name }) => name === 'kube-scheduler')!;
    process.kill(scheduler.pid!, 'SIGKILL');
    await eventually(
      async () => (await processes(cluster)).find(({ name }) => name === 'kube-scheduler'),
      (one) => one?.restarts === 1 && one.health === 'healthy',
    );
  });

  test('up after all of them were killed returns once the kubelet can be reached, and not by what the one before it said', async () => {
    // First the one that would start them again.
    const last = ({ name }: ProcessStatus): number => (name === 'supervisor' ? 0 : 1);
    const all = (await processes(cluster)).toSorted((a, b) => last(a) - last(b));
    for (const { pid } of all) process.kill(pid!, 'SIGKILL');
    await eventually(
      async () => (await processes(cluster)).every(({ health }) => health === 'stopped'),
      (areStopped) => areStopped,
    );
    expect((await cluster.up()).code).toBe(0);
    expect(await cluster.kubectl(kubectl, ['get', '--raw', '/api/v1/nodes/dev-node-1/proxy/healthz'])).toBe('ok');
  });
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

  test('a file says what flags say, and flags come first; what runs is not changed by either', async () => {
    const cluster = await RunningCluster.prepare({ flags: ['--runtime', 'fake'] });
    const config = join(cluster.dataDir, 'up.yaml');
    const lines = [
      'nodes: 2',
      'runtime: inprocess',
      'components:',
      '  kube-controller-manager:',
      '    nodeMonitorPeriod: 3s',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    try {
      const up = (...args: readonly string[]) =>
        cluster.coxswain(['up', '--detach', '--kubeconfig', cluster.kubeconfig, ...args]);
      expect(await up('--config', config, '--runtime', 'fake')).toMatchObject({ code: 0 });
      const nodes = await cluster.kubectl(kubectl, ['get', 'nodes', '-o', 'name']);
      expect(nodes).toBe('node/dev-node-1\nnode/dev-node-2\n');
      const other = ['--extra-config', 'kube-controller-manager.node-monitor-period=9s'];
      expect(await up(...other)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('Cannot change --extra-config of the cluster "dev" while it runs'),
      });
      expect(await up()).toMatchObject({ code: 0, stdout: expect.stringContaining('already runs') });
      writeFileSync(config, 'components: { kube-controller-manager: { nodeMonitorPeriod: 3 } }\n');
      expect(await up('--config', config)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^coxswain: .*components\.kube-controller-manager\.nodeMonitorPeriod: must be a duration .*\n$/,
        ),
      });
    } finally {
      await cluster.remove();
    }
  });
});
