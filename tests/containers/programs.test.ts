/** Programs that nobody here wrote, of Debian's packages, by their usual manifests (`programs.yaml`): postgresql, redis, nginx, python and busybox. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { unpackDebian, unpackPrograms } from './debian-images.ts';
import { noNetwork } from './kernel-network.ts';
import { noContainers } from './real-containers.ts';

const missing = ['dpkg-deb', 'apt-get'].find((name) => spawnSync(name, ['--version']).error !== undefined);
const impossible = noContainers ?? noNetwork ?? (missing === undefined ? undefined : `there is no ${missing}`);
if (impossible !== undefined) console.log(`skipped: programs of Debian's packages: ${impossible}`);

const images = { busybox: 'busybox', nginx: 'debian', redis: 'debian', postgres: 'programs', python: 'programs' };

describe.skipIf(impossible !== undefined)("programs of Debian's packages", () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-programs-'));
  let cluster: RunningCluster;
  const kubectl = (...args: readonly string[]): Promise<string> =>
    cluster.kubectl('35', ['-n', 'programs', ...args], { timeoutMs: hookMs });
  const ask = (question: string): Promise<string> =>
    kubectl(
      ...['exec', 'db-0', '-c', 'postgres', '--', 'sh', '-c'],
      `PGPASSWORD=not-told psql -h localhost -U shop -d postgres -tAc '${question}'`,
    );

  beforeAll(async () => {
    await unpackDebian(folder);
    await unpackPrograms(folder);
    cluster = await Clusters.start({
      flags: ['--name', `programs${process.pid}`, '--nodes', '2', '--network', 'bridge', '--runtime', 'container'],
    });
    for (const [image, from] of Object.entries(images)) {
      const target = from === 'busybox' ? [] : ['--target', image];
      const built = await cluster.coxswain(['image', 'build', '--tag', `${image}:1`, ...target, join(folder, from)], {
        timeoutMs: hookMs,
      });
      expect(built.code, built.stderr).toBe(0);
    }
    const manifest = readFileSync(join(root, 'tests/containers/programs.yaml'), 'utf8');
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: manifest });
  }, hookMs * 3);

  afterAll(async () => {
    await cluster?.coxswain(['down', '--delete-data']);
    await cluster?.remove();
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  test(
    'all of them come up, and lead to each other',
    async () => {
      for (const one of ['statefulset/db', 'deployment/cache', 'deployment/app', 'daemonset/page'])
        await kubectl('rollout', 'status', one, '--timeout=170s');
      const pages = (await kubectl('get', 'pods', '-l', 'app=page', '-o', 'jsonpath={.items[*].status.podIP}')).split(
        ' ',
      );
      expect(pages).toHaveLength(2);
      for (const page of pages) expect(await (await fetch(`http://${page}/`)).text()).toMatch(/^Ahoy \d+$/);
      // It is written each second, and empty for a moment before.
      await eventually(
        () => kubectl('exec', 'db-0', '-c', 'beside', '--', 'cat', '/shared/seen'),
        (text) => text === 'db\n',
      );
    },
    hookMs * 2,
  );

  test(
    'a job fills the database, which a pod that is made anew has still',
    async () => {
      await kubectl('wait', 'job/fill', '--for=condition=Complete', '--timeout=170s');
      expect(await ask('select count(*) from goods')).toBe('1000\n');
      const uid = await kubectl('get', 'pod', 'db-0', '-o', 'jsonpath={.metadata.uid}');
      await kubectl('delete', 'pod', 'db-0', '--timeout=120s');
      await kubectl('rollout', 'status', 'statefulset/db', '--timeout=170s');
      expect(await kubectl('get', 'pod', 'db-0', '-o', 'jsonpath={.metadata.uid}')).not.toBe(uid);
      expect(await ask('select count(*) from goods')).toBe('1000\n');
    },
    hookMs * 2,
  );

  test(
    'a job by the clock visits the application',
    async () => {
      const ended = 'jsonpath={.items[?(@.status.succeeded==1)].metadata.ownerReferences[0].name}';
      await eventually(
        () => kubectl('get', 'jobs', '-o', ended),
        (owners) => owners.includes('visit'),
        hookMs,
      );
    },
    hookMs,
  );
});
