/** The cluster of an example file: as the file says, the same without it, following it while it runs, and printed as a file again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { hookMs, RunningCluster } from './running-cluster.ts';

const example = join(root, 'deploy/clusters/shop.yaml');
let cluster: RunningCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-cluster-file-'));
  cluster = await RunningCluster.start({ flags: ['--config', example] });
}, hookMs);
afterAll(async () => {
  await cluster.remove();
  rmSync(folder, { recursive: true, force: true });
}, hookMs);

const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

interface NodeSeen {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly taints?: readonly { readonly key: string; readonly value?: string }[] };
  readonly status: {
    readonly capacity: Readonly<Record<string, string>>;
    readonly runtimeHandlers: readonly { readonly name: string }[];
  };
}

async function nodesSeen(): Promise<Readonly<Record<string, NodeSeen>>> {
  const { items } = JSON.parse(await kubectl('get', 'nodes', '-o', 'json')) as { readonly items: readonly NodeSeen[] };
  return Object.fromEntries(items.map((node) => [node.metadata.name, node]));
}

const handlersOf = ({ status }: NodeSeen): readonly string[] => status.runtimeHandlers.map(({ name }) => name);

/** The example with some of its text replaced, in a folder of its own. */
function changed(name: string, from: string, to: string): string {
  const text = readFileSync(example, 'utf8').replace('../../manifests', join(root, 'manifests'));
  expect(text).toContain(from);
  const path = join(folder, name);
  writeFileSync(path, text.replace(from, to));
  return path;
}

const place = (): readonly string[] => ['--kubeconfig', cluster.kubeconfig, '--api-port', String(cluster.apiPort)];

test(
  'nodes are what the file says, and its manifests are applied',
  async () => {
    const seen = await nodesSeen();
    expect(Object.keys(seen).sort()).toEqual(['accelerated', 'front', 'shop-node-2', 'shop-node-3']);
    expect(seen.front!.metadata.labels).toMatchObject({
      'example.com/tier': 'front',
      'node-role.kubernetes.io/ingress': '',
    });
    expect(seen.front!.spec.taints).toEqual([{ key: 'dedicated', value: 'front', effect: 'NoSchedule' }]);
    expect(seen.accelerated!.status.capacity).toMatchObject({
      cpu: '64',
      memory: '512Gi',
      'example.com/gpu': '8',
      pods: '110',
    });
    expect([handlersOf(seen.accelerated!), handlersOf(seen.front!)]).toEqual([['fake'], ['fake', 'inprocess']]);
    await kubectl('wait', '--for=condition=Available', 'deployment/guestbook', '--timeout=100s');
  },
  hookMs,
);

test(
  'a cluster that runs follows labels and taints, and names the fields that it cannot follow',
  async () => {
    const other = changed('other.yaml', 'example.com/tier: front', 'example.com/floor: "1"');
    const followed = await cluster.coxswain(['up', '--config', other, ...place()]);
    expect([followed.code, followed.stderr]).toEqual([0, '']);
    const { front } = await nodesSeen();
    expect(front!.metadata.labels).toMatchObject({ 'example.com/floor': '1' });
    expect(front!.metadata.labels).not.toHaveProperty('example.com/tier');
    const larger = changed('larger.yaml', 'cpu: "64"', 'cpu: "128"');
    const refused = await cluster.coxswain(['up', '--config', larger, ...place()]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      'coxswain: Cannot change nodes of the cluster "shop" while it runs: stop it with "coxswain down" first, or leave the field out\n',
    ]);
  },
  hookMs,
);

test(
  'what config prints is the cluster, and starts it again; so does up without the file',
  async () => {
    const printed = await cluster.coxswain(['config']);
    expect([printed.code, printed.stderr]).toEqual([0, '']);
    const file = load(printed.stdout) as {
      readonly nodes: readonly { readonly name: string; readonly labels: object }[];
    };
    expect(file.nodes.map(({ name }) => name)).toEqual(['front', 'shop-node-2', 'shop-node-3', 'accelerated']);
    expect(file.nodes[0]!.labels).toEqual({ 'example.com/floor': '1' });
    const path = join(folder, 'printed.yaml');
    writeFileSync(path, dump(file));
    const running = await cluster.coxswain(['up', '--config', path]);
    expect([running.code, running.stderr]).toEqual([0, '']);
    expect((await cluster.down()).code).toBe(0);
    const again = await cluster.coxswain(['up', '--detach', ...place()]);
    expect([again.code, again.stderr.split('\n').filter((line) => line.startsWith('coxswain: '))]).toEqual([0, []]);
    expect(Object.keys(await nodesSeen()).sort()).toEqual(['accelerated', 'front', 'shop-node-2', 'shop-node-3']);
    expect((await cluster.coxswain(['config'])).stdout).toBe(printed.stdout);
  },
  hookMs,
);
