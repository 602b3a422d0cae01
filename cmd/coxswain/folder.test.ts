import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { ClusterFolder } from './folder.ts';

let folder: ClusterFolder;

beforeEach(async () => {
  folder = new ClusterFolder(await mkdtemp(join(tmpdir(), 'folder-')));
});

afterEach(() => rm(folder.path, { recursive: true }));

test('settings that are not in the record are the defaults', async () => {
  await writeFile(join(folder.path, 'cluster.json'), '{"settings":{"nodes":2},"userKubeconfig":"/k"}');
  expect(await folder.read()).toEqual({ settings: { ...defaultSettings, nodes: 2 }, userKubeconfig: '/k' });
});

test.each([
  '',
  '{',
  'null',
  '[]',
  '{}',
  '{"settings":null}',
  '{"settings":[]}',
  '{"settings":{"nodes":-1}}',
  '{"settings":{"name":"../x"}}',
  '{"settings":{},"userKubeconfig":5}',
  '{"settings":{},"previousContext":{}}',
  '{"settings":{},"context":[]}',
  '{"settings":{},"renumberFrom":{}}',
  '{"settings":{},"renumberFrom":[{"podCidr":"10.0.0.0/8"}]}',
])('a record that says %j is damaged', async (text) => {
  await writeFile(join(folder.path, 'cluster.json'), text);
  await expect(folder.read()).rejects.toThrow(/as it is damaged: remove it to start with default settings/);
});

test('a folder into which others may write, or of another user, is refused (fault 63)', async () => {
  await folder.checkOwner();
  await new ClusterFolder(join(folder.path, 'not', 'there')).checkOwner();
  await chmod(folder.path, 0o777);
  await expect(folder.checkOwner()).rejects.toThrow(
    `Cannot use ${folder.path} as everybody may write into it (mode 777): "chmod 700 ${folder.path}", or choose another with --data-dir`,
  );
  await chmod(folder.path, 0o775);
  await folder.checkOwner();
  if (process.getuid?.() !== 0) return;
  await chown(folder.path, 65_534, 65_534);
  await expect(folder.checkOwner()).rejects.toThrow(
    `Cannot use ${folder.path} as it belongs to another user (65534), who could read the keys in it: choose another with --data-dir`,
  );
});
