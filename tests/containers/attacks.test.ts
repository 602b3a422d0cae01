/** Pods that try to take all of their node: each is contained, says what happened to it, and leaves the node and its other pods as they were. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { processesOf } from './node-remains.ts';
import { noContainers } from './real-containers.ts';

if (noContainers !== undefined) console.log(`skipped: attacks of containers: ${noContainers}`);

const name = `attacks${process.pid}`;
const image = 'busybox:1';
/** In the command line of what the pods run. */
const mark = `attack-${process.pid}`;

describe.skipIf(noContainers !== undefined)('a pod', () => {
  let cluster: RunningCluster;
  let secret: string;
  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);
  const read = async (pod: string): Promise<Pod> => JSON.parse(await kubectl('get', 'pod', pod, '-o', 'json'));
  /** Runs a script as a pod, and resolves with the pod once it is as it should be. */
  const run = async (
    podName: string,
    script: string,
    { until, main = {}, spec = {} }: { until: (pod: Pod) => boolean; main?: object; spec?: object },
  ): Promise<Pod> => {
    const container = { name: 'main', image, imagePullPolicy: 'Never', command: ['sh', '-c', `: ${mark}; ${script}`] };
    const pod = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: podName } },
      spec: {
        ...{ restartPolicy: 'Never', automountServiceAccountToken: false, terminationGracePeriodSeconds: 1 },
        containers: [{ ...container, ...main }],
        ...spec,
      },
    };
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(pod) });
    // As it was then: a moment later it may be tried again.
    return eventually(() => read(podName), until, hookMs);
  };
  const isOver = ({ status }: Pod): boolean => status?.phase === 'Failed' || status?.phase === 'Succeeded';
  const isRunning = ({ status }: Pod): boolean => status?.phase === 'Running';
  const endOf = ({ status }: Pod) => status?.containerStatuses?.[0]?.state?.terminated;
  const nothingRuns = async (): Promise<void> => {
    const left = await eventually(
      async () => processesOf(mark),
      (all) => all.length === 0,
      hookMs,
    );
    expect(left).toEqual([]);
  };

  beforeAll(async () => {
    secret = mkdtempSync(join(tmpdir(), 'attacks-secret-'));
    writeFileSync(join(secret, 'word'), 'of the machine');
    const pids = ['--extra-config', 'kubelet.pod-max-pids=64'];
    cluster = await Clusters.start({ flags: ['--name', name, '--processes', '--runtime', 'container', ...pids] });
    const archive = join(cluster.dataDir, 'busybox.tar');
    writeBusyboxArchive(archive, image);
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect(loaded.code, loaded.stderr).toBe(0);
    await run('bystander', 'exec sleep 100000', { until: isRunning });
  }, hookMs);

  afterAll(async () => {
    if (cluster === undefined) return;
    const { status } = await read('bystander');
    const ready = await kubectl(
      'get',
      'node',
      '-o',
      'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}',
    );
    await cluster.coxswain(['down', '--delete-data']);
    await cluster.remove();
    expect([status?.phase, status?.containerStatuses?.[0]?.restartCount, ready]).toEqual(['Running', 0, 'True']);
    expect(readFileSync(join(secret, 'word'), 'utf8')).toBe('of the machine');
    rmSync(secret, { recursive: true });
    await nothingRuns();
  }, hookMs);

  test(
    'that forks without end is out of processes, and goes with all of them',
    async () => {
      const pod = await run('forks', 'while :; do sleep 1000 & done', { until: isOver });
      expect(endOf(pod)).toMatchObject({ reason: 'Error' });
      expect(await kubectl('logs', 'forks')).toMatch(/can't fork/);
    },
    hookMs,
  );

  test(
    'that fills its memory is ended for it, and one that fills a volume of memory is told that it is full',
    async () => {
      const limits = { resources: { limits: { memory: '16Mi' } } };
      const pod = await run('memory', 'tail -c 200000000 /dev/zero', { until: isOver, main: limits });
      expect(endOf(pod)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
      const full = await run('volume', 'head -c 9000000 /dev/zero > /full/file; echo $?; wc -c < /full/file', {
        until: isOver,
        main: { volumeMounts: [{ name: 'full', mountPath: '/full' }] },
        spec: { volumes: [{ name: 'full', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] },
      });
      expect(endOf(full)).toMatchObject({ exitCode: 0 });
      expect(await kubectl('logs', 'volume')).toMatch(/^head: .*\n1\n1048576\n$/);
    },
    hookMs,
  );

  test.each([
    [
      'the root of its container',
      '/file',
      'Pod ephemeral local storage usage exceeds the total limit of containers 4Mi',
    ],
    ['an empty volume', '/empty/file', 'Usage of EmptyDir volume "empty" exceeds the limit "4Mi"'],
  ])(
    'that fills %s is evicted, and says so',
    async (_, path, message) => {
      const podName = path === '/file' ? 'disk-root' : 'disk-volume';
      const pod = await run(podName, `head -c 30000000 /dev/zero > ${path}; exec sleep 100000`, {
        until: isOver,
        main: {
          volumeMounts: [{ name: 'empty', mountPath: '/empty' }],
          ...(path === '/file' ? { resources: { limits: { 'ephemeral-storage': '4Mi' } } } : {}),
        },
        spec: { volumes: [{ name: 'empty', emptyDir: path === '/file' ? {} : { sizeLimit: '4Mi' } }] },
      });
      expect(pod.status).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
      expect(pod.status?.message).toContain(message);
    },
    hookMs,
  );

  test(
    'that ignores every signal is killed when its time is up',
    async () => {
      await run('deaf', "trap '' TERM INT HUP QUIT USR1; while :; do sleep 1; done", { until: isRunning });
      await kubectl('delete', 'pod', 'deaf', '--timeout=60s');
    },
    hookMs,
  );

  test(
    'that puts links to the machine into its volumes has no more than those volumes',
    async () => {
      const volumes = { volumes: [{ name: 'own', emptyDir: {} }] };
      const main = { volumeMounts: [{ name: 'own', mountPath: '/own' }] };
      const place = `ln -s ${secret} /own/way; ln -s ${secret}/word /own/word`;
      const pod = await run('links', 'cat /part/word', {
        until: ({ status }) =>
          status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError' ||
          status?.phase === 'Succeeded',
        main: { volumeMounts: [{ name: 'own', mountPath: '/part', subPath: 'way' }] },
        spec: {
          ...volumes,
          initContainers: [
            { ...{ name: 'first', image, imagePullPolicy: 'Never' }, command: ['sh', '-c', place], ...main },
          ],
        },
      });
      expect(pod.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
        reason: 'CreateContainerConfigError',
        message: 'failed to prepare subPath for volumeMount "own" of container "main"',
      });
      await kubectl('delete', 'pod', 'links', '--timeout=60s');
    },
    hookMs,
  );
});
