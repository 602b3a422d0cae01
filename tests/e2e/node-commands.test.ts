/** Nodes that are added to a running cluster, drained and removed by commands. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { type CommandResult, eventually, hookMs, RunningCluster, run } from './running-cluster.ts';

const kubectl = '35';
let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--nodes', '1', '--runtime', 'fake'] });
}, hookMs);
afterAll(() => cluster?.remove(), hookMs);

const node = (...args: readonly string[]): Promise<CommandResult> => cluster.coxswain(['node', ...args]);
const wait = ['--wait', '100s'];

interface Listed {
  readonly name: string;
  readonly status: string;
  readonly from: string;
  readonly runtimes: readonly string[];
  readonly pods: number;
}

/** What a shell offers for the last of these words. */
async function completed(...typed: readonly string[]): Promise<readonly string[]> {
  const main = join(root, 'cmd/coxswain/main.ts');
  const { code, stdout, stderr } = await run(process.execPath, [main, 'completion', 'words', '--', ...typed]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((word) => word !== '');
}

async function listed(): Promise<readonly Listed[]> {
  const { code, stdout, stderr } = await node('list', '-o', 'json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as readonly Listed[];
}

const namesOf = (nodes: readonly Listed[]): readonly string[] => nodes.map(({ name }) => name).sort();

test(
  'a node is added with what it is to be, takes pods, is there again after a restart, and goes once it is drained',
  async () => {
    const [first] = namesOf(await listed());
    const spec = ['--labels', 'tier=b', '--taints', 'only=b:NoSchedule', '--capacity', 'cpu=7'];
    expect(await node('add', 'extra', ...spec, ...wait)).toEqual({
      code: 0,
      stdout: 'Node extra is Ready\n',
      stderr: '',
    });
    expect(await cluster.kubectl(kubectl, ['get', 'node', 'extra', '-o', 'jsonpath={.status.capacity.cpu}'])).toBe('7');
    const overrides = { spec: { nodeSelector: { tier: 'b' }, tolerations: [{ operator: 'Exists' }] } };
    const template = {
      metadata: { labels: { app: 'web' } },
      spec: { ...overrides.spec, containers: [{ name: 'c', image: 'a' }] },
    };
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template },
    };
    await cluster.kubectl(kubectl, ['apply', '-f', '-'], { input: JSON.stringify(deployment) });
    await eventually(listed, (nodes) => nodes.some(({ name, pods }) => name === 'extra' && pods === 2));
    expect([(await cluster.down()).code, (await cluster.up()).code]).toEqual([0, 0]);
    await eventually(listed, (nodes) => nodes.some(({ name, status }) => name === 'extra' && status === 'Ready'));
    expect((await node('list')).stdout).toMatch(/^NAME +STATUS +FROM +RUNTIMES +PODS\n/);
    expect((await listed()).map(({ runtimes }) => runtimes)).toEqual([['fake'], ['fake']]);
    expect(await completed('node', 'drain', '--data-dir', cluster.dataDir, 'ex')).toEqual(['extra']);
    expect(await completed('node', 'drain', '--data-dir', cluster.dataDir, 'extra', '')).toEqual([]);
    const removed = await node('remove', 'extra');
    expect([removed.code, removed.stdout]).toEqual([
      0,
      expect.stringMatching(/node\/extra drained\nNode extra is removed\n$/),
    ]);
    expect(namesOf(await listed())).toEqual([first]);
  },
  hookMs,
);

test('what cannot be is refused with one line, and leaves nothing', async () => {
  const before = namesOf(await listed());
  const [first = ''] = before;
  const refusals: readonly (readonly [args: readonly string[], line: RegExp])[] = [
    [['add', first], /there is a node ".*" already/],
    [['add', 'Bad_Name'], /metadata\.name: Invalid value: "Bad_Name"/],
    [['add', 'x', '--runtime', 'vm', ...wait], /Cannot add a node "x": The cluster has no runtime vm: it has fake\./],
    [['add', 'x', '--taints', 'nothing'], /invalid value "nothing" for --taints: must be key=value:effect/],
    [['remove', first], /as the cluster was started with it/],
    [['remove', 'nobody'], /there is no node "nobody"/],
    [['drain'], /say NODE \(see "coxswain node drain --help"\)/],
    [['grow'], /unknown command "node grow"/],
  ];
  for (const [args, line] of refusals) {
    const { code, stdout, stderr } = await node(...args);
    expect([code, stdout, stderr], args.join(' ')).toEqual([1, '', expect.stringMatching(line)]);
    expect(stderr.trimEnd().split('\n'), args.join(' ')).toHaveLength(1);
  }
  await eventually(listed, (nodes) => namesOf(nodes).join() === before.join());
});
