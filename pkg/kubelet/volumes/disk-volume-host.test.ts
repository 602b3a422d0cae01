import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { volumeHostConformance } from './conformance.ts';
import { diskVolumeHost } from './disk-volume-host.ts';
import { memoryVolumeHost } from './volume-host.ts';

async function start() {
  const directory = await mkdtemp(join(tmpdir(), 'coxswain-volumes-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return { directory, host: diskVolumeHost(directory) };
}

volumeHostConformance('disk', { make: async () => (await start()).host, hasFiles: true });
volumeHostConformance('memory', { make: async () => memoryVolumeHost(), hasFiles: false });

const files = (entries: Readonly<Record<string, string>>, mode = 0o640) =>
  new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

test('contents are replaced as a whole, and only when they differ', async () => {
  const { host } = await start();
  const volume = { podUid: 'u', plugin: 'configmap', name: 'v' };
  const root = await host.write(volume, files({ a: '1', 'sub/b': '2' }));
  const visible = async () => (await readdir(root)).filter((name) => !name.startsWith('..')).sort();
  expect([await visible(), await readFile(join(root, 'sub/b'), 'utf8')]).toEqual([['a', 'sub'], '2']);
  expect((await stat(join(root, 'a'))).mode & 0o777).toBe(0o640);
  const before = await readdir(root);
  await host.write(volume, files({ a: '1', 'sub/b': '2' }));
  expect(await readdir(root)).toEqual(before);
  await host.write(volume, files({ a: '3', c: '4' }));
  expect([await visible(), await readFile(join(root, 'a'), 'utf8')]).toEqual([['a', 'c'], '3']);
  expect((await readdir(root)).filter((name) => name.startsWith('..version-'))).toHaveLength(1);
});

const mount = { podUid: 'u', plugin: 'subpath', name: 'app.0' };

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test('everyone may write to the folder of a volume and to what a subpath makes in it', async () => {
  const { host } = await start();
  const root = await host.directory({ podUid: 'u', plugin: 'empty-dir', name: 'v' });
  expect(await host.within(root, 'a/./b//', mount)).toBe(join(root, 'a/b/'));
  const modes = await Promise.all([root, join(root, 'a'), join(root, 'a/b')].map(modeOf));
  expect(modes).toEqual(['777', '777', '777']);
});

test('a subpath takes files and links as they are, but not out of the volume', async () => {
  const { host, directory } = await start();
  const root = await host.directory({ podUid: 'u', plugin: 'empty-dir', name: 'v' });
  await writeFile(join(root, 'file'), 'x');
  await symlink('file', join(root, 'inside'));
  await symlink(directory, join(root, 'outside'));
  expect(await host.within(root, 'inside', mount)).toBe(join(root, 'inside'));
  await expect(host.within(root, 'outside', mount)).rejects.toThrow('outside of the volume');
  await expect(host.within(root, 'outside/x', mount)).rejects.toThrow('outside of the volume');
  await expect(host.within(root, 'file/x', mount)).rejects.toThrow('ENOTDIR');
});

test('what the node has mounted is looked at, and made, where it is', async () => {
  const { directory } = await start();
  const host = diskVolumeHost(directory, { mounts: [{ containerPath: '/srv/none', hostPath: directory }] });
  expect((await host.machinePath('/srv/none/a', 'DirectoryOrCreate')).path).toBe(join(directory, 'a'));
  expect((await stat(join(directory, 'a'))).isDirectory()).toBe(true);
  await expect(host.machinePath('/srv/none/b', 'File')).rejects.toThrow(
    'hostPath type check failed: /srv/none/b is not a file',
  );
});

test('where the node has something read-only nothing is made', async () => {
  const { directory } = await start();
  const mounts = [{ containerPath: '/srv', hostPath: directory, readOnly: true }];
  const host = diskVolumeHost(join(directory, 'volumes'), { mounts });
  await writeFile(join(directory, 'there'), 'x');
  expect(await host.machinePath('/srv/there', 'File')).toEqual({ path: join(directory, 'there'), isReadOnly: true });
  for (const type of ['DirectoryOrCreate', 'FileOrCreate'])
    await expect(host.machinePath('/srv/none', type)).rejects.toThrow(
      'hostPath type check failed: /srv/none is not there, and the node has it read-only',
    );
  const fixed = { ...mount, isReadOnly: true };
  expect(await host.within(directory, 'there', fixed)).toBe(join(directory, 'there'));
  await expect(host.within(directory, 'none/deep', fixed)).rejects.toThrow(
    'subpath "none/deep" is not there, and the node has the volume read-only',
  );
  await expect(stat(join(directory, 'none'))).rejects.toThrow('ENOENT');
});

test("paths of the machine are made or looked at as the volume's type asks", async () => {
  const { host, directory } = await start();
  const at = (name: string): string => join(directory, name);
  await host.machinePath(at('made/deep'), 'DirectoryOrCreate');
  await host.machinePath(at('file'), 'FileOrCreate');
  expect([(await stat(at('made/deep'))).isDirectory(), (await stat(at('file'))).isFile()]).toEqual([true, true]);
  for (const [name, type] of [
    ['made', 'Directory'],
    ['file', 'File'],
    ['none', ''],
    ['file', 'FileOrCreate'],
  ] as const)
    await host.machinePath(at(name), type);
  const why = (what: string, kind: string): string => `hostPath type check failed: ${at(what)} is not a ${kind}`;
  await expect(host.machinePath(at('none'), 'Directory')).rejects.toThrow(why('none', 'directory'));
  await expect(host.machinePath(at('file'), 'DirectoryOrCreate')).rejects.toThrow(why('file', 'directory'));
  await expect(host.machinePath(at('made'), 'Socket')).rejects.toThrow(why('made', 'socket'));
});
