/** Clusters that are paused: nothing of them runs, nobody takes them for broken, and they go on where they were. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { filesOf, pidsWith, processState } from './machine.ts';
import { hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';
const secret = 'nobody-is-to-read-this';
let cluster: RunningCluster | undefined;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-pause-'));
});

afterEach(async () => {
  await cluster?.remove();
  cluster = undefined;
  rmSync(folder, { recursive: true, force: true });
}, hookMs);

/** Of a running cluster with a Secret and a Deployment. */
async function looksThroughExport(archive: string): Promise<void> {
  expect(await coxswain('logs', 'export', archive)).toBe(`Exported the cluster "dev" to ${archive}\n`);
  const into = unpacked(archive);
  const text = (...path: readonly string[]): string => readFileSync(join(into, ...path), 'utf8');
  const items = (resource: string): readonly { readonly metadata: { readonly name: string } }[] =>
    JSON.parse(text('objects', `${resource}.json`)).items;
  const [pod] = items('pods');
  expect(pod).toMatchObject({ apiVersion: 'v1', kind: 'Pod' });
  expect(readdirSync(join(into, 'pods/default', pod!.metadata.name))).toContain('echo.log');
  expect(items('deployments.apps')).toMatchObject([{ kind: 'Deployment', metadata: { name: 'web' } }]);
  expect(load(text('cluster.yaml'))).toMatchObject({ kind: 'Cluster', name: 'dev' });
  expect(JSON.parse(text('status.json'))).toMatchObject({ name: 'dev', running: true, paused: false });
  expect(text('doctor.txt')).toMatch(/^ok {4}Node \d/);
  expect(readdirSync(join(into, 'logs')).length).toBeGreaterThan(0);
  expect(text('versions.json')).toContain('Kubernetes');
  const all = Object.values(filesOf(into)).map((file) => Buffer.from(file.slice(4), 'base64').toString());
  expect(all.filter((file) => file.includes(Buffer.from(secret).toString('base64')))).toEqual([]);
  expect((await cluster!.coxswain(['logs', 'export', archive])).stderr).toBe(
    `coxswain: Cannot export to ${archive} as it is there: name a new file\n`,
  );
}

/** The folder that is in an archive. */
function unpacked(archive: string): string {
  const into = `${archive}.files`;
  mkdirSync(into);
  const { status, stderr } = spawnSync('tar', ['-xzf', archive, '-C', into], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  expect(readdirSync(into)).toEqual(['coxswain-dev']);
  return join(into, 'coxswain-dev');
}

/** A command that must do what it is for. */
async function coxswain(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster!.coxswain(args);
  expect([code, stderr], args.join(' ')).toEqual([0, '']);
  return stdout;
}

const statesOf = (pids: readonly number[]): readonly string[] => [...new Set(pids.map(processState))];

describe.each([['in one process'], ['--processes']])('a cluster %s', (way) => {
  test(
    'stands still with its programs, and goes on',
    async () => {
      cluster = await RunningCluster.start({ flags: way.startsWith('--') ? [way] : [] });
      await cluster.kubectl(kubectl, ['create', 'deployment', 'web', '--image=coxswain.dev/echo:v1']);
      await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=100s']);
      await cluster.kubectl(kubectl, ['create', 'secret', 'generic', 'hidden', `--from-literal=word=${secret}`]);
      await looksThroughExport(join(folder, 'running.tar.gz'));
      const pids = pidsWith(cluster.dataDir);
      expect(await coxswain('pause')).toBe('Paused the cluster "dev": "coxswain unpause" lets it go on.\n');
      expect(statesOf(pidsWith(cluster.dataDir))).toEqual(['T']);
      expect(await coxswain('pause')).toBe('The cluster "dev" is paused.\n');
      const status = await cluster.coxswain(['status', '-o', 'json']);
      expect([status.code, JSON.parse(status.stdout)]).toMatchObject([
        1,
        { paused: true, healthy: false, running: true },
      ]);
      const paused = join(folder, 'paused.tar.gz');
      expect(await coxswain('logs', 'export', paused)).toContain('problems.txt in it says what is missing (1)');
      expect(readFileSync(join(unpacked(paused), 'problems.txt'), 'utf8')).toBe(
        'The cluster is paused: its objects and the logs of its pods are not here\n',
      );
      expect((await cluster.up()).stderr).toContain('as it is paused: "coxswain unpause" lets it go on');
      expect(await coxswain('unpause')).toBe('The cluster "dev" goes on.\n');
      expect(await coxswain('unpause')).toBe('The cluster "dev" is not paused.\n');
      await cluster.kubectl(kubectl, ['scale', 'deployment/web', '--replicas=2']);
      await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=100s']);
      // Nothing was started anew for it.
      const after = new Set(pidsWith(cluster.dataDir));
      expect(pids.filter((pid) => !after.has(pid))).toEqual([]);
      await coxswain('pause');
      expect(await cluster.down()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Stopped the cluster/) });
      expect(pidsWith(cluster.dataDir)).toEqual([]);
    },
    hookMs,
  );
});

test('what does not run is not paused', async () => {
  cluster = await RunningCluster.prepare();
  for (const verb of ['pause', 'unpause'])
    expect(await cluster.coxswain([verb])).toMatchObject({
      code: 1,
      stderr: `coxswain: Cannot ${verb} the cluster "dev" as it does not run\n`,
    });
});
