import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { diskVolumeHost } from './disk-volume-host.ts';

async function start() {
  const directory = await mkdtemp(join(tmpdir(), 'coxswain-volumes-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return { directory, host: diskVolumeHost(directory) };
}

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

test('the volumes of a pod go together', async () => {
  const { host } = await start();
  await host.directory({ podUid: 'u1', plugin: 'empty-dir', name: 'v' });
  await host.directory({ podUid: 'u2', plugin: 'empty-dir', name: 'v' });
  await host.removePod('u1');
  expect(await host.podUids()).toEqual(['u2']);
});
