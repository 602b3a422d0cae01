/** A node of real containers by settings of its own: pods of its files, memory that containers are kept to, and images of a registry that wants to know who asks, by secrets and by a program. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isObject } from '#pkg/apimachinery/json.ts';
import { testImage } from '#pkg/images/testing/image-documents.ts';
import { imageHandler } from '#pkg/images/testing/serve-image.ts';
import { machineMemory } from '#pkg/kubelet/memory/machine-memory.ts';
import {
  RunningCluster as Clusters,
  eventually,
  freePort,
  hookMs,
  type RunningCluster,
} from '#tests/e2e/running-cluster.ts';
import { busyboxLayers, writeBusyboxArchive } from './busybox-image.ts';
import { noContainers } from './real-containers.ts';

const name = `settings${process.pid}`;
const nodeName = `${name}-node-1`;
const image = 'busybox:1';
const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };

describe.skipIf(noContainers !== undefined)('a node of containers', () => {
  const manifests = mkdtempSync(join(tmpdir(), 'coxswain-manifests-'));
  const programs = mkdtempSync(join(tmpdir(), 'coxswain-providers-'));
  const [{ id: numaNode = 0 } = {}] = machineMemory();
  let cluster: RunningCluster;
  let registry: string;
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

  /** Wants to know who asks. */
  const server = createServer(
    imageHandler(testImage(busyboxLayers(), { platform }), (request, response) => {
      if (request.headers.authorization === `Basic ${Buffer.from('me:word').toString('base64')}`) return false;
      response.writeHead(401, { 'www-authenticate': 'Basic realm="images"' }).end();
      return true;
    }),
  );

  /** A program that has the login for a part of the registry, and the file that says so. Gives its path. */
  function writeProvider(): string {
    const [configFile, asked] = [join(programs, 'providers.yaml'), join(programs, 'asked')];
    const apiVersion = 'credentialprovider.kubelet.k8s.io/v1';
    const auth = { [registry]: { username: 'me', password: 'word' } };
    const answer = { kind: 'CredentialProviderResponse', apiVersion, cacheKeyType: 'Registry', auth };
    const script = `#!/bin/sh\ncat >>"$ASKED"\necho '${JSON.stringify(answer)}'\n`;
    writeFileSync(join(programs, 'login'), script, { mode: 0o755 });
    const env = [{ name: 'ASKED', value: asked }];
    const matchImages = [`${registry}/provided`];
    const provider = { name: 'login', apiVersion, matchImages, defaultCacheDuration: '1h', env };
    const config = { apiVersion: 'kubelet.config.k8s.io/v1', kind: 'CredentialProviderConfig', providers: [provider] };
    writeFileSync(configFile, JSON.stringify(config));
    return configFile;
  }

  beforeAll(async () => {
    const port = await freePort();
    await once(server.listen(port, '127.0.0.1'), 'listening');
    registry = `127.0.0.1:${port}`;
    const settings = [
      `image-credential-provider-config=${writeProvider()}`,
      `image-credential-provider-bin-dir=${programs}`,
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
    server.close();
    server.closeAllConnections();
    for (const folder of [manifests, programs]) rmSync(folder, { recursive: true, force: true });
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
      // It is ready when it runs, before it has said anything.
      await eventually(
        () => kubectl('logs', shown),
        (text) => text === 'begun\n',
        hookMs,
      );
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
      const login = ['--docker-username=me', '--docker-password=word', `--docker-server=${registry}`];
      await kubectl('create', 'secret', 'docker-registry', 'login', ...login);
      const container = {
        image: `${registry}/team/app:1`,
        imagePullPolicy: 'Always',
        command: ['/bin/sleep', '100000'],
      };
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

  test(
    'pulls images with the login of a program, which is asked once for as long as its answer counts',
    async () => {
      const command = ['/bin/sleep', '100000'];
      for (const app of ['one', 'two']) {
        await apply(podOf(app, { image: `${registry}/provided/${app}:1`, imagePullPolicy: 'Always', command }));
        await ready(app);
      }
      const question = { kind: 'CredentialProviderRequest', apiVersion: 'credentialprovider.kubelet.k8s.io/v1' };
      const asked = JSON.parse(readFileSync(join(programs, 'asked'), 'utf8'));
      expect(asked).toEqual({ ...question, image: `${registry}/provided/one` });
      await kubectl('delete', 'pod', 'one', 'two', '--timeout=300s');
    },
    hookMs,
  );
});
