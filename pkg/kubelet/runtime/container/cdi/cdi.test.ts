import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeContainerConfig } from '../../../testing/configs.ts';
import { cdiSpecOf, editsFor } from './cdi-edits.ts';
import { withCdiDevices } from './cdi-files.ts';

const kind = 'example.com/card';
const spec = (devices: Readonly<Record<string, object>>, containerEdits?: object) =>
  cdiSpecOf({
    ...{ cdiVersion: '0.6.0', kind, containerEdits },
    devices: Object.entries(devices).map(([name, edits]) => ({ name, containerEdits: edits })),
  });

test('a container gets what its devices bring, and once what all of a file bring', () => {
  const hook = (path: string) => ({ hookName: 'createContainer', path });
  const cards = spec(
    {
      a: { env: ['A=1'], deviceNodes: [{ path: '/dev/a' }], additionalGids: [4], hooks: [hook('/a')] },
      b: {
        deviceNodes: [{ path: '/dev/b', hostPath: '/dev/card1', permissions: 'r' }],
        mounts: [{ hostPath: '/lib/b', containerPath: '/b', options: ['ro', 'rbind'] }],
        additionalGids: [4, 5],
        hooks: [hook('/b')],
      },
      c: { env: ['C=1'] },
    },
    { env: ['ALL=1'], hooks: [hook('/all')] },
  );
  expect(editsFor([`${kind}=a`, `${kind}=b`], [cards])).toEqual({
    env: ['ALL=1', 'A=1'],
    devices: [
      { containerPath: '/dev/a', hostPath: '/dev/a', permissions: 'rwm' },
      { containerPath: '/dev/b', hostPath: '/dev/card1', permissions: 'r' },
    ],
    mounts: [{ containerPath: '/b', hostPath: '/lib/b', readOnly: true }],
    groups: [4, 5],
    hooks: { createContainer: ['/all', '/a', '/b'].map((path) => ({ path, args: [], env: [] })) },
  });
});

test('what a later folder says of a device goes before what an earlier one does', () => {
  const [first, second] = [spec({ a: { env: ['A=1'] }, b: { env: ['B=1'] } }), spec({ a: { env: ['A=2'] } })];
  expect(editsFor([`${kind}=a`, `${kind}=b`], [first, second]).env).toEqual(['A=2', 'B=1']);
});

test.each([
  [
    'a device that is not there',
    () => editsFor([`${kind}=x`, 'y'], [spec({})]),
    'unresolvable CDI devices example.com/card=x, y',
  ],
  ['an edit that is not known', () => spec({ a: { netDevices: [] } }), 'containerEdits.netDevices is not supported'],
  [
    'a mount that is not known',
    () => spec({ a: { mounts: [{ hostPath: '/a', containerPath: '/a', options: ['noexec'] }] } }),
    'the mount option noexec is not supported',
  ],
  [
    'a hook at no point',
    () => spec({ a: { hooks: [{ hookName: 'later', path: '/a' }] } }),
    'hooks.hookName later is none',
  ],
  ['a device without a path', () => spec({ a: { deviceNodes: [{}] } }), 'deviceNodes.path is no text'],
  ['a file of no vendor', () => cdiSpecOf({ kind: 'card', devices: [] }), 'kind "card" is none'],
  ['no file', () => cdiSpecOf(undefined), 'the file is no object'],
])('%s is refused', (_, make, message) => {
  expect(make).toThrow(message);
});

test('files are read as JSON and as YAML, and one that cannot be read matters to whoever names what is in none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cdi-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(
    join(folder, 'a.yaml'),
    `cdiVersion: 0.6.0\nkind: ${kind}\ndevices: [{name: a, containerEdits: {env: ['A=x=y'], additionalGids: [7]}}]\n`,
  );
  await writeFile(join(folder, 'broken.json'), '{');
  await writeFile(join(folder, 'notes.txt'), 'nothing');
  const wish = (device: string) =>
    withCdiDevices(
      makeContainerConfig({ image: 'i', cdiDevices: [`${kind}=${device}`], security: { supplementalGroups: [3, 7] } }),
      [join(folder, 'none'), folder],
    );
  const { config } = await wish('a');
  expect([config.env, config.security.supplementalGroups]).toEqual([{ A: 'x=y' }, [3, 7]]);
  await expect(wish('b')).rejects.toMatchObject({
    reason: 'failed',
    message: expect.stringMatching(
      /^CDI device injection failed: unresolvable CDI devices example.com\/card=b; .*broken.json: /,
    ),
  });
});
