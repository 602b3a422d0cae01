/** `coxswain snapshot` as people use it: a cluster that runs is saved, lost and restored, and clients go on with it. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';
let cluster: RunningCluster;
const file = (name: string): string => join(cluster.dataDir, name);
const run = (...args: string[]): Promise<string> => cluster.kubectl(kubectl, args);

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--runtime', 'fake'] });
}, hookMs);

afterAll(() => cluster?.remove(), hookMs);

test('saved while it runs, its store lost, restored: what was there is there again, under greater resource versions', async () => {
  await run('create', 'configmap', 'kept', '--from-literal=a=b');
  const versionOf = async (): Promise<number> =>
    Number(await run('get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.resourceVersion}'));
  const uid = await run('get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.uid}');
  const before = await versionOf();
  const saved = await cluster.coxswain(['snapshot', 'save', file('saved')]);
  expect([saved.code, saved.stderr]).toEqual([0, '']);
  expect(saved.stdout).toMatch(/^Saved \d+ keys of the cluster "\w+" at revision \d+ to \S+saved \(\d+ KiB\)\.\n$/);
  await run('create', 'configmap', 'later');
  await comparesWith(file('saved'));

  for (const command of [['upgrade'], ['snapshot', 'restore', file('saved')]])
    expect((await cluster.coxswain(command)).stderr).toMatch(
      /as the cluster "\w+" runs there: stop it with "coxswain down" first\n$/,
    );
  const running = await cluster.coxswain(['snapshot', 'restore', file('saved')]);
  expect(running.stderr).toMatch(
    /^coxswain: Cannot restore into \S+ as the cluster "\w+" runs there: stop it with "coxswain down" first\n$/,
  );
  expect((await cluster.down()).code).toBe(0);
  const upgraded = await cluster.coxswain(['upgrade']);
  expect([upgraded.code, upgraded.stderr]).toEqual([0, '']);
  expect(upgraded.stdout).toMatch(/^The cluster "\w+" is of this version: nothing was changed\.\n$/);
  const full = await cluster.coxswain(['snapshot', 'restore', file('saved')]);
  expect(full.stderr).toMatch(
    /^coxswain: Cannot restore into \S+ as there is a store in \S+store: move that away, or choose another folder with --data-dir\n$/,
  );
  renameSync(file('store'), file('lost'));
  const restored = await cluster.coxswain(['snapshot', 'restore', file('saved')]);
  expect([restored.code, restored.stderr]).toEqual([0, '']);
  expect(restored.stdout).toMatch(
    /^Restored \d+ keys of revision \d+ into \S+store: "coxswain up --data-dir \S+" starts the cluster\.\n(?:Tokens count that were signed with the key|Keys are made anew) in \S+pki: those of another folder are none here, nor are its certificates, unless its pki\/ is put there\.\n$/,
  );
  rmSync(file('lost'), { recursive: true });
  expect((await cluster.up()).code).toBe(0);
  expect(await run('get', 'configmap', 'kept', '-o', 'jsonpath={.metadata.uid}')).toBe(uid);
  expect(await versionOf()).toBeGreaterThan(before + 1_000_000_000);
  const gone = await cluster.tryKubectl(kubectl, [
    'get',
    '--raw',
    `/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=${before}&timeoutSeconds=30`,
  ]);
  expect(gone.stdout + gone.stderr).toMatch(/too old resource version|"code":410|Expired/);
  expect(await run('get', 'configmaps', '-o', 'name')).not.toContain('later');
  expect(existsSync(file('store-restoring'))).toBe(false);
});

/** What is compared with the cluster, which has `later` beside it, and with itself. */
async function comparesWith(saved: string): Promise<void> {
  const same = await cluster.coxswain(['snapshot', 'diff', saved, saved]);
  expect(same).toEqual({ code: 0, stdout: '', stderr: '' });
  const other = await cluster.coxswain(['snapshot', 'diff', saved]);
  expect([other.code, other.stderr]).toEqual([1, '']);
  expect(other.stdout.split('\n')).toEqual(expect.arrayContaining(['+ v1 ConfigMap default/later']));
  expect(other.stdout).toMatch(/^--- \S+saved \(revision \d+, [\dTZ:.-]+\)\n\+\+\+ cluster \w+ \(revision \d+\)\n/);
  expect(other.stdout).not.toContain('ConfigMap default/kept');
  const { added } = JSON.parse((await cluster.coxswain(['snapshot', 'diff', saved, '-o', 'json'])).stdout) as {
    readonly added: readonly { readonly name: string }[];
  };
  expect(added.map(({ name }) => name)).toContain('later');
  const trouble = await cluster.coxswain(['snapshot', 'diff', 'package.json']);
  expect([trouble.code, trouble.stdout]).toEqual([2, '']);
  expect(trouble.stderr).toMatch(/^coxswain: Cannot compare \S+package\.json as it is no snapshot\n$/);
}

test.each([
  [['snapshot', 'save'], /^coxswain: name the file of the snapshot \(see "coxswain snapshot save --help"\)\n$/],
  [['snapshot', 'take'], /^coxswain: unknown command "snapshot take": "coxswain snapshot --help" lists them\n$/],
  [['snapshot', 'restore', 'package.json'], /^coxswain: Cannot restore \S+package\.json as it is no snapshot\n$/],
  [['snapshot', 'restore', 'no-such-file'], /^coxswain: Cannot restore \S*no-such-file as it is not there\n$/],
])('%j is refused with one line', async (args, line) => {
  const result = await cluster.coxswain(args);
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(line);
});
