import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diskVolumeHost } from '#pkg/kubelet/volumes/disk-volume-host.ts';
import type { VolumeHost } from '#pkg/kubelet/volumes/volume-host.ts';
import { noContainers } from './real-containers.ts';

const whereThereAre = noContainers === undefined ? describe : describe.skip;

whereThereAre('volumes of containers', () => {
  let folder = '';
  let host: VolumeHost;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coxswain-volumes-'));
    host = diskVolumeHost(join(folder, 'volumes'), { isForContainers: true });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('of memory hold no more than they may, and go with their pod', async () => {
    const volume = { podUid: 'u1', plugin: 'empty-dir', name: 'cache' };
    const path = await host.directory(volume, { bytesMax: 65_536 });
    expect(await host.directory(volume, { bytesMax: 65_536 })).toBe(path);
    await expect(writeFile(join(path, 'much'), Buffer.alloc(131_072))).rejects.toMatchObject({ code: 'ENOSPC' });
    await host.removePod('u1');
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
    expect(await host.podUids()).toEqual([]);
  });

  test('belong to the group of their pod, and what is made in them does', async () => {
    const empty = await host.directory({ podUid: 'u2', plugin: 'empty-dir', name: 'data' });
    await host.giveTo(empty, { group: 2345, isReadOnly: false });
    await writeFile(join(empty, 'made'), '');
    const modes = async (path: string) => {
      const { gid, mode } = await lstat(path);
      return [gid, (mode & 0o7777).toString(8)];
    };
    expect(await modes(empty)).toEqual([2345, '2777']);
    expect((await modes(join(empty, 'made')))[0]).toBe(2345);
    const files = new Map([['key', { data: Buffer.from('x'), mode: 0o400 }]]);
    const written = await host.write({ podUid: 'u2', plugin: 'secret', name: 's' }, files);
    await host.giveTo(written, { group: 2345, isReadOnly: true });
    expect(await modes(join(written, '..data', 'key'))).toEqual([2345, '440']);
    await host.removePod('u2');
  });

  test('are mounted in parts that stay what they were, though the pod puts links in their place', async () => {
    const outside = await mkdtemp(join(folder, 'outside-'));
    await writeFile(join(outside, 'secret'), 'secret');
    let swap = async (): Promise<void> => {};
    const racing = diskVolumeHost(join(folder, 'racing'), { isForContainers: true, onResolved: () => swap() });
    const root = await racing.directory({ podUid: 'u3', plugin: 'empty-dir', name: 'data' });
    const mount = { podUid: 'u3', plugin: 'subpath', name: 'app.0' };
    await mkdir(join(root, 'part'));
    await writeFile(join(root, 'part', 'own'), 'own');
    const replace = async (): Promise<void> => {
      await rename(join(root, 'part'), join(root, 'was'));
      await symlink(outside, join(root, 'part'));
    };
    const path = await racing.within(root, 'part', mount);
    await replace();
    expect([path.startsWith(root), await readdir(path)]).toEqual([false, ['own']]);
    await expect(racing.within(root, 'part', mount)).rejects.toThrow('is outside of the volume');

    // Between the look at the links and the mount.
    await rm(join(root, 'part'));
    await rename(join(root, 'was'), join(root, 'part'));
    swap = replace;
    await expect(racing.within(root, 'part/own', mount)).rejects.toThrow();
    swap = async () => {};
    expect(await readFile(await racing.within(root, 'was/own', mount), 'utf8')).toBe('own');

    // What is mounted is not lost with the pod, nor is anything that the pod has linked to.
    await racing.removePod('u3');
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
  });
});
