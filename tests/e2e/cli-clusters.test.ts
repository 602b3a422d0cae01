/** Clusters beside and after each other: what belongs to each is kept, starts at the same moment wait, and nothing is lost without a word. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binary } from './kubectl-binary.ts';
import { coxswainMain, processesWith } from './machine.ts';
import { type CommandResult, hookMs, run } from './running-cluster.ts';

let place: string;
let kubeconfig: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'coxswain-clusters-'));
  kubeconfig = join(place, 'config');
});
afterEach(async () => {
  for (const folder of made.splice(0)) await coxswain('', 'down', '--delete-data', '--data-dir', folder);
  rmSync(place, { recursive: true, force: true });
}, hookMs);

const made: string[] = [];

/** A command of somebody whose HOME is `home`. */
function coxswain(home: string, ...args: string[]): Promise<CommandResult> {
  const env = { HOME: join(place, home), COXSWAIN_HOME: join(place, home, 'clusters') };
  return run(process.execPath, [coxswainMain, ...args], { env });
}

const quick = ['--detach', '--runtime', 'fake'];
const folderOf = (home: string, name: string): string => join(place, home, 'clusters', name);

function up(home: string, name: string, ...flags: string[]): Promise<CommandResult> {
  made.push(folderOf(home, name));
  return coxswain(home, 'up', '--name', name, '--kubeconfig', kubeconfig, ...quick, ...flags);
}

const kubectl = (...args: string[]): Promise<CommandResult> =>
  run(binary('35', 'kubectl'), ['--kubeconfig', kubeconfig, ...args]);

interface Listed {
  readonly name: string;
  readonly running: boolean;
  readonly server: string;
  readonly dataDir: string;
}

/** The clusters of this test, without whether they run. */
async function listed(home: string): Promise<readonly object[]> {
  const all = JSON.parse((await coxswain(home, 'list', '-o', 'json')).stdout) as readonly Listed[];
  return all.filter(({ dataDir }) => dataDir.startsWith(place)).map(({ running: _, ...rest }) => rest);
}

test('three clusters keep addresses and ports when they are stopped and started in another order, from other homes (faults 42 and 43)', async () => {
  for (const [home, name, ...flags] of [
    ['a', 'one'],
    ['b', 'two', '--api-port', '0'],
    ['c', 'three', '--processes', '--api-port', '0'],
  ])
    expect(await up(home!, name!, ...flags)).toMatchObject({ code: 0 });
  const before = await listed('a');
  expect(before).toHaveLength(3);
  for (const field of ['server', 'nodeAddress', 'serviceCidr', 'podCidr'])
    expect(new Set(before.map((one) => (one as Record<string, string>)[field])).size, field).toBe(3);
  const { server } = before.find((one) => (one as Listed).name === 'two') as Listed;
  const doctor = await coxswain('a', 'doctor', '--name', 'one', '--api-port', new URL(server).port);
  expect(doctor, 'another cluster’s port is not this one’s (fault 49)').toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^FAIL {2}Port \d+ cannot be used \(EADDRINUSE, it is that of the cluster "two" in \S+\): /m,
    ),
  });
  for (const [home, name] of [
    ['a', 'one'],
    ['b', 'two'],
    ['c', 'three'],
  ])
    expect(await coxswain(home!, 'down', '--name', name!)).toMatchObject({ code: 0 });
  const data = (home: string, name: string): string[] => [
    '--data-dir',
    folderOf(home, name),
    '--kubeconfig',
    kubeconfig,
  ];
  for (const [home, name] of [
    ['c', 'three'],
    ['a', 'one'],
    ['b', 'two'],
  ])
    expect(await coxswain('elsewhere', 'up', ...quick, ...data(home!, name!))).toMatchObject({ code: 0 });
  expect(await listed('elsewhere')).toEqual(before);
  for (const name of ['one', 'two', 'three'])
    expect((await kubectl('--context', `coxswain-${name}`, 'get', 'nodes', '-o', 'name')).stdout).toBe(
      `node/${name}-node-1\n`,
    );
});

test('a copy of a cluster says whose addresses it has, and can be given others (fault 43)', async () => {
  expect(await up('a', 'dev')).toMatchObject({ code: 0 });
  await kubectl('create', 'service', 'clusterip', 'web', '--tcp=80');
  const address = async (): Promise<string> =>
    (await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}')).stdout;
  const before = await address();
  await coxswain('a', 'down', '--name', 'dev');
  const copy = folderOf('b', 'dev');
  mkdirSync(join(place, 'b', 'clusters'), { recursive: true });
  cpSync(folderOf('a', 'dev'), copy, { recursive: true });
  // The copy takes nothing from the original.
  expect(await up('a', 'dev')).toMatchObject({ code: 0 });
  const refused = await up('b', 'dev');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /coxswain: Cannot start the cluster "dev" as its addresses \(.*\) are those of the cluster "dev" in \S+\/a\/clusters\/dev: give this one others with "coxswain up --renumber --data-dir \S+"/,
  );
  expect(await up('b', 'dev', '--renumber')).toMatchObject({ code: 0 });
  const after = await address();
  expect(after).toMatch(/^127\./);
  expect(after).not.toBe(before);
  expect(after.split('.').at(-1)).toBe(before.split('.').at(-1));
  expect(await up('b', 'dev', '--renumber')).toMatchObject({ code: 1, stderr: expect.stringContaining('--renumber') });
});

describe.each([
  ['one process', []],
  ['separate processes', ['--processes']],
] as const)('%s', (_, flags) => {
  test('of several starts at the same moment one starts it and the others find it running (faults 46 and 64)', async () => {
    const ups = await Promise.all([1, 2, 3].map(() => up('a', 'dev', ...flags)));
    expect(ups.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(ups.filter(({ stdout }) => stdout.includes('is ready at'))).toHaveLength(1);
    expect(ups.filter(({ stdout }) => stdout.includes('already runs'))).toHaveLength(2);
  });

  test('a start that waits for one that fails starts the cluster itself', async () => {
    writeFileSync(join(place, 'broken'), 'clusters: [');
    const failing = coxswain('a', 'up', '--name', 'dev', '--kubeconfig', join(place, 'broken'), ...quick, ...flags);
    const ups = await Promise.all([failing, up('a', 'dev', ...flags)]);
    expect(ups.map(({ code }) => code)).toEqual([1, 0]);
  });

  test('a store that was emptied is not taken for a new cluster (fault 45)', async () => {
    expect(await up('a', 'dev', ...flags)).toMatchObject({ code: 0 });
    await coxswain('a', 'down', '--name', 'dev');
    rmSync(join(folderOf('a', 'dev'), 'store'), { recursive: true });
    const refused = await up('a', 'dev', ...flags);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /coxswain: Cannot start the cluster in \S+ as its store in \S+ is empty, and it was not: put the store back, or run /,
    );
    expect(existsSync(join(folderOf('a', 'dev'), 'store'))).toBe(false);
    expect(processesWith(place)).toEqual([]);
    await coxswain('a', 'down', '--name', 'dev', '--delete-data');
    expect(await up('a', 'dev', ...flags)).toMatchObject({ code: 0 });
  });
});

test('what a person set on the context is there again after down and up, and flags that a running cluster cannot follow are refused (fault 46)', async () => {
  writeFileSync(kubeconfig, '# nothing yet\n');
  expect(await up('a', 'dev')).toMatchObject({ code: 0 });
  await kubectl('config', 'set-context', '--current', '--namespace', 'kube-system');
  const namespace = async (): Promise<string> =>
    (await kubectl('config', 'view', '--minify', '-o', 'jsonpath={..namespace}')).stdout;
  await coxswain('a', 'down', '--name', 'dev');
  expect(readFileSync(kubeconfig, 'utf8')).not.toContain('coxswain-dev');
  expect(await up('a', 'dev')).toMatchObject({ code: 0 });
  expect(await namespace()).toBe('kube-system');
  expect(await up('a', 'dev')).toMatchObject({ code: 0 });
  expect(await namespace()).toBe('kube-system');
  for (const [flag, value] of [
    ['--nodes', '2'],
    ['--api-port', '7'],
    ['--kubeconfig', join(place, 'other')],
    ['--log-level', 'debug'],
    ['--runtime', 'inprocess'],
  ])
    expect(await up('a', 'dev', flag!, value!)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `coxswain: Cannot change ${flag} of the cluster "dev" while it runs: stop it with "coxswain down" first, or leave the flag out\n`,
    });
});
