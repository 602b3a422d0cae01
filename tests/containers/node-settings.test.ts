/** A node of real containers by settings of its own: pods of its files, memory that containers are kept to, and images of a registry that wants to know who asks. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isObject } from '#pkg/apimachinery/json.ts';
import { testImage } from '#pkg/images/testing/image-documents.ts';
import { serveImage } from '#pkg/images/testing/serve-image.ts';
import { machineMemory } from '#pkg/kubelet/memory/machine-memory.ts';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { busyboxLayers, writeBusyboxArchive } from './busybox-image.ts';
import { noContainers } from './real-containers.ts';

const name = `settings${process.pid}`;
const nodeName = `${name}-node-1`;
const image = 'busybox:1';
const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };

describe.skipIf(noContainers !== undefined)('a node of containers', () => {
  const manifests = mkdtempSync(join(tmpdir(), 'coxswain-manifests-'));
  const [{ id: numaNode = 0 } = {}] = machineMemory();
  let cluster: RunningCluster;
  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);
  const apply = (object: object): Promise<string> =>
    cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(object) });
  const podOf = (podName: string, container: object, spec: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName },
    spec: {
      containers: [{ name: 'main', image, imagePullPolicy: 'Never', ...container }],
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      ...spec,
    },
  });
  const ready = (podName: string): Promise<string> =>
    kubectl('wait', `pod/${podName}`, '--for=condition=Ready', '--timeout=300s');
  const field = (podName: string, path: string): Promise<string> =>
    kubectl('get', 'pod', podName, '-o', `jsonpath={${path}}`);
  const kubelet = async (): Promise<{ readonly pid: number; readonly restarts: number; readonly health: string }> => {
    const { processes } = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
    return processes.find((one: { readonly name: string }) => one.name.startsWith('kubelet'));
  };

  beforeAll(async () => {
    const settings = [
      `pod-manifest-path=${manifests}`,
      'memory-manager-policy=Static',
      `reserved-memory=${numaNode}:memory=64Mi`,
    ];
    cluster = await Clusters.start({
      flags: [
        ...['--name', name, '--processes', '--runtime', 'container'],
        ...settings.flatMap((flag) => ['--extra-config', `kubelet.${flag}`]),
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
    rmSync(manifests, { recursive: true, force: true });
  }, hookMs);

  test(
    'runs the pods of its files, which neither the API nor an end of its kubelet touches',
    async () => {
      const shown = `web-${nodeName}`;
      const file = join(manifests, 'web.yaml');
      writeFileSync(file, JSON.stringify(podOf('web', { command: ['sh', '-c', 'echo begun; exec sleep 100000'] })));
      const exists = async (): Promise<boolean> => (await cluster.tryKubectl('35', ['get', 'pod', shown])).code === 0;
      await eventually(exists, (isThere) => isThere, hookMs);
      await ready(shown);
      expect(await kubectl('logs', shown)).toBe('begun\n');
      const [uid, container] = [await field(shown, '.metadata.uid'), await field(shown, '..containerID')];
      await kubectl('delete', 'pod', shown, '--wait=false');
      await eventually(
        async () => (await cluster.tryKubectl('35', ['get', 'pod', shown, '-o', 'jsonpath={.metadata.uid}'])).stdout,
        (now) => now !== '' && now !== uid,
        hookMs,
      );
      await ready(shown);
      expect(await field(shown, '..containerID')).toBe(container);

      process.kill((await kubelet()).pid, 'SIGKILL');
      await eventually(kubelet, ({ health, restarts }) => health === 'healthy' && restarts > 0, hookMs);
      await ready(shown);
      expect(await field(shown, '..containerID')).toBe(container);

      rmSync(file);
      await eventually(exists, (isThere) => !isThere, hookMs);
    },
    hookMs * 2,
  );

  test(
    'keeps containers to the memory that they are promised, and writes that down',
    async () => {
      const state = join(cluster.dataDir, 'kubelet', nodeName, 'memory_manager_state');
      const entries = (): readonly string[] => {
        const record: unknown = existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : {};
        const found = isObject(record) ? record['entries'] : undefined;
        return isObject(found) ? Object.keys(found) : [];
      };
      const amounts = { cpu: '100m', memory: '32Mi' };
      const resources = { requests: amounts, limits: amounts };
      await apply(podOf('own', { command: ['sleep', '100000'], resources }));
      await ready('own');
      const uid = await field('own', '.metadata.uid');
      expect(entries()).toEqual([uid]);
      const mems = 'cat /sys/fs/cgroup/cpuset/cpuset.mems 2>/dev/null || cat /sys/fs/cgroup/cpuset.mems';
      expect((await kubectl('exec', 'own', '--', 'sh', '-c', mems)).trim()).toBe(String(numaNode));
      const whole = await kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].status.allocatable.memory}');
      await apply(podOf('large', { command: ['sleep', '1'], resources: { limits: { cpu: '100m', memory: whole } } }));
      expect(await field('large', '.status.phase')).toBe('Pending');
      await kubectl('delete', 'pod', 'own', 'large', '--timeout=300s');
      await eventually(
        async () => entries(),
        (left) => left.length === 0,
        hookMs,
      );
    },
    hookMs,
  );

  test(
    'pulls an image with the login of a secret, and says why without',
    async () => {
      const basic = `Basic ${Buffer.from('me:word').toString('base64')}`;
      const { host } = await serveImage(testImage(busyboxLayers(), { platform }), (request, response) => {
        if (request.headers.authorization === basic) return false;
        response.writeHead(401, { 'www-authenticate': 'Basic realm="images"' }).end();
        return true;
      });
      const login = ['--docker-username=me', '--docker-password=word', `--docker-server=${host}`];
      await kubectl('create', 'secret', 'docker-registry', 'login', ...login);
      const container = { image: `${host}/team/app:1`, imagePullPolicy: 'Always', command: ['/bin/sleep', '100000'] };
      await apply(podOf('without', container));
      await eventually(
        async () => await field('without', '.status.containerStatuses[0].state.waiting.message'),
        (message) => message.includes('no login was given'),
        hookMs,
      );
      await apply(podOf('with', container, { imagePullSecrets: [{ name: 'login' }] }));
      await ready('with');
      await kubectl('delete', 'pod', 'with', 'without', '--timeout=300s');
    },
    hookMs,
  );
});
