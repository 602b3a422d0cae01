import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { explainPod } from './explain.ts';
import { simulate } from './simulate.ts';
import type { World } from './world.ts';

async function makeWorld() {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-scheduling-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const written: string[] = [];
  const world: World = {
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    environment: { HOME: folder },
    write: (text) => void written.push(text),
    writeError: () => {},
    isTerminal: false,
    isQuiet: false,
    columns: () => 80,
    rootFolder: folder,
  };
  const save = async (name: string, ...items: readonly KubeObject[]): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    return path;
  };
  return { world, save, output: () => written.join('') };
}

const waiting = makePod('web').request({ cpu: '2' }).object;
const node = (name: string, cpu: string): KubeObject => ({
  ...makeNode(name, { cpu }),
  apiVersion: 'v1',
  kind: 'Node',
});

test('simulate says where the pods of a dump and of files go, and on how many nodes', async () => {
  const { world, save, output } = await makeWorld();
  const dump = await save('dump.json', node('a', '4'), node('b', '1'), waiting);
  const more = await save(
    'more.json',
    makePod('api').request({ cpu: '1' }).object,
    makePod('huge').request({ cpu: '9' }).object,
  );
  expect(await simulate(world, ['--dump', dump, '-f', more])).toBe(1);
  expect(output()).toBe(
    `Placed 2 of 3 pods.
Nodes: 1 of 2 in use, 0 before; at least 1 are needed (by cpu).
  default/huge: 0/2 nodes are available: 2 Insufficient cpu.

NODE   NEW   PODS   CPU   MEMORY
a      2     2      75%   0%
`,
  );
});

test('explain says of each node who refuses a pod, or what it scores', async () => {
  const { world, save, output } = await makeWorld();
  const dump = await save('dump.json', node('a', '1'), node('b', '4'), waiting);
  expect(await explainPod(world, ['pod/web', '--dump', dump])).toBe(0);
  expect(output()).toBe(
    `Pod default/web goes to b: 1 of 2 nodes take it.

NODE   TOTAL   WHY
b      0.49    NodeResourcesFit 0.49
a      -       NodeResourcesFit: Insufficient cpu
`,
  );
});

test.each<[string, readonly string[], string]>([
  ['no pod', ['deployment/web'], 'name a pod, as in "coxswain explain pod/web"'],
  ['a pod that is not there', ['pod/other'], 'Cannot explain pod "default/other" as there is none'],
])('explain refuses %s', async (_, args, message) => {
  const { world, save } = await makeWorld();
  await expect(explainPod(world, [...args, '--dump', await save('dump.json', node('a', '1'))])).rejects.toThrow(
    message,
  );
});

test.each<[string, KubeObject, string]>([
  ['a dump without nodes', waiting, 'Cannot place pods as there are no nodes in'],
  ['something that is no pod to place', node('a', '1'), 'holds as it is no pod: it is a v1 Node'],
])('simulate refuses %s', async (_, object, message) => {
  const { world, save } = await makeWorld();
  const path = await save('one.json', object);
  await expect(simulate(world, ['--dump', path, '-f', path])).rejects.toThrow(message);
});

test('explain says why a pod waits with its gang', async () => {
  const { world, save, output } = await makeWorld();
  const group = {
    apiVersion: 'scheduling.k8s.io/v1alpha2',
    kind: 'PodGroup',
    metadata: { name: 'train', namespace: 'default' },
    spec: { schedulingPolicy: { gang: { minCount: 2 } } },
  };
  const members = ['x', 'y'].map(
    (name) =>
      makePod(name)
        .request({ cpu: '3' })
        .spec({ schedulingGroup: { podGroupName: 'train' } }).object,
  );
  const dump = await save('dump.json', node('a', '4'), group, ...members);
  const gates = '--feature-gates=GenericWorkload=true,GangScheduling=true';
  expect(await explainPod(world, ['pod/y', '--dump', dump, gates])).toBe(1);
  expect(output().split('\n').slice(0, 4)).toEqual([
    'Pod default/y waits with its gang: pod group "default/train" is scheduled as a whole, and only 1 of the 2 pods that it still needs have room: 0/1 nodes are available: 1 Insufficient cpu.',
    'By itself:',
    '',
    'Pod default/y goes to a: 1 of 1 nodes take it.',
  ]);
});
