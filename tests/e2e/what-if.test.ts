/** Commands about what a cluster was and could be, against one that runs: explained, simulated, rebalanced, recorded, replayed, and with faults. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { type CommandResult, eventually, hookMs, RunningCluster, run } from './running-cluster.ts';

const kubectl = '35';
let cluster: RunningCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-what-if-'));
  const flags = ['--nodes', '2', '--runtime', 'fake', '--extra-config', 'kube-apiserver.fault-injection=true'];
  cluster = await RunningCluster.start({ flags });
  await cluster.kubectl(kubectl, ['create', 'deployment', 'web', '--image=a', '--replicas=2']);
  await cluster.kubectl(kubectl, ['rollout', 'status', 'deployment/web', '--timeout=100s']);
}, hookMs);
afterAll(async () => {
  await cluster?.remove();
  rmSync(folder, { recursive: true, force: true });
}, hookMs);

/** Of a command that has no cluster. */
const alone = (...args: readonly string[]): Promise<CommandResult> =>
  run(process.execPath, [join(root, 'cmd/coxswain/main.ts'), ...args]);

/** What a command that must do what it is for has printed. */
async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.coxswain(args);
  expect([code, stderr], args.join(' ')).toEqual([0, '']);
  return stdout;
}

function written(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test(
  'a pod is explained, others are simulated, and what could be emptied is said',
  async () => {
    const [pod = ''] = (await cluster.kubectl(kubectl, ['get', 'pods', '-o', 'name'])).split('\n');
    expect(await printed('explain', pod)).toContain(pod.slice('pod/'.length));
    const typed = ['completion', 'words', '--', 'explain', '--data-dir', cluster.dataDir, pod.slice(0, -1)];
    expect((await alone(...typed)).stdout.split('\n')).toContain(pod);
    const more = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'more' },
      spec: { containers: [{ name: 'c', image: 'a' }] },
    };
    expect(await printed('simulate', '-f', written('more.json', JSON.stringify(more)))).toContain(
      'Placed 1 of 1 pods.',
    );
    expect((await cluster.tryKubectl(kubectl, ['get', 'pod', 'more'])).stderr).toContain('not found');
    expect((await cluster.coxswain(['rebalance'])).code).toBe(0);
  },
  hookMs,
);

test(
  'faults are added, met, listed and removed',
  async () => {
    const rule = {
      name: 'no-maps',
      fault: 'error',
      verbs: ['create'],
      resources: ['configmaps'],
      code: 403,
      reason: 'Forbidden',
    };
    const path = written('faults.json', JSON.stringify({ faults: [rule] }));
    expect(await printed('faults', 'add', path)).toContain('no-maps');
    expect((await cluster.tryKubectl(kubectl, ['create', 'configmap', 'a'])).code).not.toBe(0);
    expect(JSON.parse(await printed('faults', 'list', '-o', 'json'))).toMatchObject([
      { rule: { name: 'no-maps' }, hits: 1 },
    ]);
    await printed('faults', 'remove', 'no-maps');
    expect(await printed('faults', 'list')).toBe('There are no faults.\n');
    await cluster.kubectl(kubectl, ['create', 'configmap', 'a']);
  },
  hookMs,
);

test(
  'a cluster is recorded, and what was recorded is played again, the same each time, and otherwise in a branch',
  async () => {
    const path = join(folder, 'some.recording');
    const recorded = cluster.coxswain(['record', '-o', path, '--for', '10s']);
    await eventually(
      () => Promise.resolve(readdirSync(folder)),
      (files) => files.includes('some.recording'),
    );
    let isOver = false;
    const ended = recorded.finally(() => {
      isOver = true;
    });
    // It has seen what there is after a time of its own.
    for (let replicas = 3; !isOver; replicas = (replicas % 5) + 1)
      await cluster.kubectl(kubectl, ['scale', 'deployment/web', `--replicas=${replicas}`]);
    const recording = await ended;
    expect(recording.stderr).toMatch(/^Recording to .*\/some\.recording for 10s, or until Ctrl-C\.\n/);
    expect([recording.code, recording.stderr]).toEqual([
      0,
      expect.stringMatching(/Recorded [1-9]\d* objects and [1-9]\d* changes\.\n$/),
    ]);
    const svg = join(folder, 'some.svg');
    const replay = ['replay', path, '--branch', 'nodes=+1', '--until', '10m', '-o', 'json', '--svg', svg];
    const [first, second] = [await alone(...replay), await alone(...replay)];
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(second.stdout).toBe(first.stdout);
    expect(JSON.parse(first.stdout).runs.map(({ name }: { name: string }) => name)).toEqual(['replay', 'nodes=+1']);
    expect(readdirSync(folder)).toContain('some.svg');
    const later = ['--branch', 'nodes=+1', '--branch-at-condition', 'run.ms >= 60000'];
    const { stdout } = await alone('replay', path, '--until', '2m', ...later);
    expect(stdout).toMatch(
      /\nRenewals were .*recorded.*, and are done each 12h for each node in replay and nodes=\+1\.\nBranches begin at \d+s\.\n$/,
    );
    expect((await cluster.coxswain(['record', '-o', path])).stderr).toMatch(/is there already: say --resume to go on/);
  },
  hookMs,
);

test(
  'what is no such file, of another version or names no verb is refused with one line, and nothing is changed',
  async () => {
    const dump = {
      apiVersion: 'v1',
      kind: 'List',
      items: [{ apiVersion: 'x.io/v1', kind: 'Odd', metadata: { name: 'a' } }],
    };
    const header = { coxswain: 'recording', version: 999, startMs: 0, secrets: false };
    const noVerb = { faults: [{ name: 'a', fault: 'error', resources: ['pods'] }] };
    const before = readdirSync(folder);
    const refusals: readonly (readonly [result: CommandResult, line: RegExp])[] = [
      [await alone('replay', written('dump.json', JSON.stringify(dump))), /Odd/],
      [await alone('replay', written('later.recording', gzipSync(`${JSON.stringify(header)}\n`))), /version/],
      [await alone('replay', written('words', 'words')), /is no recording, no list of objects and no audit log/],
      [await alone('replay', 'words', '--branch-at', '1h'), /say --branch too/],
      [await alone('replay', 'words', '--branch-at', '1h', '--branch', 'seed=7'), /a seed is that of a whole run/],
      [
        await cluster.coxswain(['faults', 'add', written('no-verb.json', JSON.stringify(noVerb))]),
        /faults\[0\]\.verbs/,
      ],
      [await cluster.coxswain(['faults', 'add', join(folder, 'none')]), /Cannot read .*none \(ENOENT\)/],
      [await cluster.coxswain(['logs', 'export', join(folder, 'none/a.tar.gz')]), /Cannot export to .* \(ENOENT\)/],
    ];
    for (const [{ code, stdout, stderr }, line] of refusals) {
      expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(line)]);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    }
    expect(await printed('faults', 'list')).toBe('There are no faults.\n');
    const made = ['dump.json', 'later.recording', 'words', 'no-verb.json'];
    expect(readdirSync(folder).filter((name) => !before.includes(name) && !made.includes(name))).toEqual([]);
  },
  hookMs,
);
