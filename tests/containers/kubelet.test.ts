/**
 * The kubelet of a node of real containers on the bridge network, as a process of its own: files that kubectl copies, and the kubelet's deaths at any point while pods
 * come and go, after which the machine has what its pods need and nothing else.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { binary, kubectlVersions } from '#tests/e2e/kubectl-binary.ts';
import {
  atTerminal,
  RunningCluster as Clusters,
  type CommandResult,
  eventually,
  freePort,
  hookMs,
  type RunningCluster,
  run,
} from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { noNetwork } from './kernel-network.ts';
import { differences, type ExpectedPods, processesOf, remains } from './node-remains.ts';
import { noContainers } from './real-containers.ts';

const impossible = noContainers ?? noNetwork;
if (impossible !== undefined) console.log(`skipped: deaths of a kubelet: ${impossible}`);

/** Deaths of the kubelet; COXSWAIN_KUBELET_DEATHS says another number, COXSWAIN_TEST_SEED another course. */
const deaths = Number(process.env.COXSWAIN_KUBELET_DEATHS ?? 4);
const seed = Number(process.env.COXSWAIN_TEST_SEED ?? 1);

const image = 'busybox:1';
const name = `deaths${process.pid}`;
const nodeName = `${name}-node-1`;
const clock = new SystemClock();

describe.skipIf(impossible !== undefined)('the kubelet of a node of containers', () => {
  let cluster: RunningCluster;

  beforeAll(async () => {
    const flags = ['--processes', '--network', 'bridge', '--runtime', 'container'];
    cluster = await Clusters.start({ flags: ['--name', name, ...flags] });
    const archive = join(cluster.dataDir, 'busybox.tar');
    writeBusyboxArchive(archive, image);
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect(loaded.code, loaded.stderr).toBe(0);
  }, hookMs);

  afterAll(async () => {
    if (cluster === undefined) return;
    await cluster.coxswain(['down', '--delete-data']);
    await cluster.remove();
    expect(
      await eventually(
        () => remains({ dataDir: cluster.dataDir, nodeName }),
        (all) => all.length === 0,
      ),
    ).toEqual([]);
    expect(spawnSync('ip', ['netns'], { encoding: 'utf8' }).stdout).not.toContain(name);
  }, hookMs);

  describe('copies files', () => {
    const clients: readonly (readonly [string, (args: readonly string[]) => Promise<CommandResult>])[] = [
      ...kubectlVersions.map(
        (version) =>
          [`kubectl 1.${version}`, (args: readonly string[]) => cluster.tryKubectl(version, ['cp', ...args])] as const,
      ),
      [
        'coxswain kubectl',
        (args) =>
          run(process.execPath, [join(root, 'cmd/coxswain/main.ts'), 'kubectl', 'cp', ...args], { env: cluster.env() }),
      ],
    ];
    const inside = (script: string): Promise<string> =>
      cluster.kubectl('35', ['exec', 'files', '--', 'sh', '-c', script]);

    beforeAll(async () => {
      await create(cluster, [podOf('files', { terminationGracePeriodSeconds: 0 })]);
      await cluster.kubectl('35', ['wait', 'pod/files', '--for=condition=Ready', '--timeout=120s']);
    }, hookMs);

    afterAll(async () => {
      await cluster?.kubectl('35', ['delete', 'pod', 'files', '--timeout=120s']);
    }, hookMs);

    test.each(clients)('both ways with %s, and follows no link out of where it copies to', async (client, copy) => {
      const mark = client.replaceAll(/[^a-z0-9]/g, '');
      const folder = join(cluster.dataDir, `copies-${mark}`);
      mkdirSync(join(folder, 'tree/deep'), { recursive: true });
      const text = `${client}\n`.repeat(100_000);
      writeFileSync(join(folder, 'tree/deep/large'), text);
      writeFileSync(join(folder, 'tree/run'), '#!/bin/sh\n', { mode: 0o755 });
      symlinkSync('run', join(folder, 'tree/link'));
      const there = await copy([join(folder, 'tree'), `files:/tmp/${mark}`]);
      expect(there.code, there.stderr).toBe(0);
      const counted = await inside(`cd /tmp/${mark}; cat deep/large run | wc -c; ls -l run; ls -l link`);
      expect(counted.split('\n')).toEqual([
        String(text.length + 10),
        expect.stringMatching(/^-rwxr-xr-x/),
        expect.stringMatching(/link -> run$/),
        '',
      ]);

      expect(await copy([`files:/tmp/${mark}`, join(folder, 'back')])).toMatchObject({ code: 0 });
      expect(readFileSync(join(folder, 'back/deep/large'), 'utf8') === text).toBe(true);
      // What a container says is a link is none on the machine.
      expect(existsSync(join(folder, 'back/link'))).toBe(false);

      // `..` leads through the folders of the container, and of nothing else.
      expect(await copy([join(folder, 'tree/run'), `files:/tmp/../../../tmp/up-${mark}`])).toMatchObject({ code: 0 });
      expect(await inside(`cat /tmp/up-${mark}`)).toBe('#!/bin/sh\n');
      expect(existsSync(`/tmp/up-${mark}`)).toBe(false);
      // Whether kubectl says so is a matter of chance with it; nothing is made in any case.
      await copy(['files:/tmp/none', join(folder, 'none')]);
      expect(existsSync(join(folder, 'none'))).toBe(false);
    });
  });

  describe('speaks with kubectl', () => {
    beforeAll(async () => {
      const command = ['sh', '-c', 'echo begun; exec busybox httpd -f -p 8080 -h /etc'];
      const main = { name: 'main', image, imagePullPolicy: 'Never', command };
      await create(cluster, [podOf('talk', { containers: [main], terminationGracePeriodSeconds: 0 })]);
      await cluster.kubectl('35', ['wait', 'pod/talk', '--for=condition=Ready', '--timeout=120s']);
    }, hookMs);

    afterAll(async () => {
      await cluster?.kubectl('35', ['delete', 'pod', 'talk', '--timeout=120s']);
    }, hookMs);

    test.each(kubectlVersions)('1.%s: a terminal, input, ports, and a container beside', async (version) => {
      const kubectl = binary(version, 'kubectl');
      const terminal = await atTerminal([kubectl, 'exec', '-it', 'talk', '--', 'sh'], 'tty; exit 7\n', cluster.env());
      expect(terminal.stdout).toMatch(/\/dev\/(?:pts\/\d+|console)/);
      expect(terminal.code).toBe(7);

      const images = ['--image', image, '--image-pull-policy=Never'];
      const reader = ['run', `reader-${version}`, '-i', '--rm', '--restart=Never', ...images, '--command', '--', 'sh'];
      const read = await cluster.tryKubectl(version, reader, { input: 'echo "I am $HOSTNAME"; exit 0\n' });
      expect([read.code, read.stdout.includes(`I am reader-${version}`)]).toEqual([0, true]);

      const port = await freePort();
      const forwarding = spawn(kubectl, ['port-forward', 'pod/talk', `${port}:8080`], {
        env: { ...process.env, ...cluster.env() },
      });
      try {
        let said = '';
        forwarding.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
        await eventually(
          async () => said,
          (text) => text.includes(`127.0.0.1:${port} -> 8080`),
        );
        expect(await (await fetch(`http://127.0.0.1:${port}/greeting`)).text()).toBe('hello\n');
      } finally {
        forwarding.kill();
      }

      const debug = [kubectl, 'debug', '-it', 'talk', ...images, '--target=main', '--', 'sh'];
      const looked = 'wget -qO- http://localhost:8080/greeting; tr "\\0" " " </proc/1/cmdline; exit\n';
      const { stdout } = await atTerminal(debug, looked, cluster.env());
      expect(stdout).toContain('hello');
      // The processes of the one that it looks at.
      expect(stdout).toContain('busybox httpd -f');
    });
  });

  test(
    `leaves nothing behind, wherever it is killed while pods come and go (${deaths} times)`,
    async () => {
      const random = new SeededRandom(seed);
      const { processes } = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
      const supervisor: number = processes.find((one: { readonly name: string }) => one.name === 'supervisor').pid;
      const kubelet = (): number | undefined =>
        processesOf(cluster.dataDir).find(({ command }) => /kubelet\/main/.test(command))?.pid;
      /** It is started again, as soon as its end was seen. */
      const startedAfter = async (before: number | undefined): Promise<number> => {
        const now = await eventually(
          async () => {
            process.kill(supervisor, 'SIGUSR2');
            return kubelet();
          },
          (pid) => pid !== undefined && pid !== before,
          hookMs,
        );
        if (now === undefined) throw new Error('Cannot find the kubelet');
        return now;
      };
      const kill = async (pid: number): Promise<number> => {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
        return startedAfter(pid);
      };

      // How long a whole course takes here is what points are chosen of: from a start to a pod that runs.
      await create(cluster, [podOf('first')]);
      const startMs = clock.monotonicMs();
      let pid = await kill(await startedAfter(undefined));
      await cluster.kubectl('35', ['wait', 'pod/first', '--for=condition=Ready', '--timeout=120s']);
      const courseMs = clock.monotonicMs() - startMs;

      const alive = ['first'];
      for (let death = 0; death < deaths; death++) {
        const made = [`a${death}`, `b${death}`];
        await create(
          cluster,
          made.map((one) => anyPod(random, one)),
        );
        alive.push(...made);
        const gone = [0, 1].flatMap(() => alive.splice(randomInt(random, alive.length), 1));
        await cluster.kubectl('35', ['delete', 'pod', ...gone, '--wait=false', '--grace-period=1']);
        await sleep(clock, randomInt(random, Math.ceil(courseMs * 1.5)));
        pid = await kill(pid);
      }
      await cluster.kubectl('35', ['wait', 'pod', '--all', '--for=condition=Ready', '--timeout=120s']).catch(() => {});
      const last = await eventually(
        async () => {
          const { pods, problems } = await expectedPods(cluster);
          return [
            ...problems,
            ...(problems.length > 0 ? [] : await differences({ dataDir: cluster.dataDir, nodeName }, pods)),
          ];
        },
        (lines) => lines.length === 0,
        hookMs,
      );
      expect(last).toEqual([]);
      const { pods } = await expectedPods(cluster);
      expect(pods.size).toBe(alive.length);
      expect(processesOf(cluster.dataDir).filter(({ command }) => /kubelet\/main/.test(command))).toHaveLength(1);
    },
    hookMs * 2 + deaths * 30_000,
  );
});

async function create(cluster: RunningCluster, pods: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: pods };
  await cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(list) });
}

function podOf(podName: string, spec: object = {}): object {
  const main = { name: 'main', image, imagePullPolicy: 'Never', command: ['sleep', '100000'] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName },
    spec: { containers: [main], terminationGracePeriodSeconds: 1, automountServiceAccountToken: false, ...spec },
  };
}

/** A pod of one of the sorts that have something of their own on the machine. */
function anyPod(random: Random, podName: string): object {
  const container = { image, imagePullPolicy: 'Never' };
  const limits = { cpu: '50m', memory: '32Mi' };
  const sorts: readonly object[] = [
    {},
    { shareProcessNamespace: true },
    { initContainers: [{ ...container, name: 'init', command: ['sh', '-c', 'exit 0'] }] },
    {
      volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }],
      containers: [
        { ...container, name: 'main', command: ['sleep', '100000'], resources: { limits } },
        {
          ...container,
          name: 'other',
          command: ['sleep', '100000'],
          resources: { limits },
          volumeMounts: [{ name: 'memory', mountPath: '/memory' }],
        },
      ],
    },
  ];
  return podOf(podName, sorts[randomInt(random, sorts.length)]);
}

/** The pods of the API that run, with the containers that each has on its node; and what is not yet as it is to be. */
async function expectedPods(
  cluster: RunningCluster,
): Promise<{ readonly pods: ExpectedPods; readonly problems: readonly string[] }> {
  const { items }: { readonly items: readonly Pod[] } = JSON.parse(
    await cluster.kubectl('35', ['get', 'pods', '-A', '-o', 'json']),
  );
  const problems: string[] = [];
  const pods = new Map<string, readonly string[]>();
  for (const { metadata, spec, status } of items) {
    const podName = metadata?.name ?? '';
    if (metadata?.deletionTimestamp !== undefined) problems.push(`${podName} is being deleted`);
    else if (findCondition(status?.conditions, 'Ready')?.status !== 'True') problems.push(`${podName} is not ready`);
    const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    // The one before a restart is kept too.
    const names = all.flatMap((one) => (one.restartCount > 0 ? [one.name, one.name] : [one.name]));
    if (all.length !== (spec?.initContainers ?? []).length + (spec?.containers ?? []).length)
      problems.push(`${podName} has no status of all containers`);
    pods.set(metadata?.uid ?? '', names);
  }
  return { pods, problems };
}
