/** What every volume host has to do: the laws of `volume-host.ts` as tests. Each host's own test file calls it. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { expect, test } from 'vitest';
import type { VolumeHost } from './volume-host.ts';

export interface VolumeHostUnderTest {
  make(): Promise<VolumeHost>;
  /** Paths are real ones of this machine. */
  readonly hasFiles: boolean;
}

/** Runs the suite. `name` is that of the host. */
export function volumeHostConformance(name: string, { make, hasFiles }: VolumeHostUnderTest): void {
  const volume = { podUid: 'u1', plugin: 'configmap', name: 'v' };
  const files = (entries: Readonly<Record<string, string>>) =>
    new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode: 0o644 }]));
  const mount = (place: number) => ({ podUid: 'u1', plugin: 'subpath', name: `app.${place}` });

  test(`${name}: a volume has one absolute path, whatever is done to it`, async () => {
    const host = await make();
    const path = await host.write(volume, files({ a: '1' }));
    expect(isAbsolute(path)).toBe(true);
    expect(await host.write(volume, files({ b: '2' }))).toBe(path);
    const folder = { podUid: 'u1', plugin: 'empty-dir', name: 'v' };
    const empty = await host.directory(folder);
    expect([await host.directory(folder), empty === path]).toEqual([empty, false]);
  });

  test(`${name}: the volumes of a pod go together, and those of others stay`, async () => {
    const host = await make();
    await host.directory({ podUid: 'u1', plugin: 'empty-dir', name: 'v' });
    await host.write(volume, files({ a: '1' }));
    await host.directory({ podUid: 'u2', plugin: 'empty-dir', name: 'v' });
    expect((await host.podUids()).toSorted()).toEqual(['u1', 'u2']);
    await host.removePod('u1');
    await host.removePod('u1');
    expect(await host.podUids()).toEqual(['u2']);
  });

  test(`${name}: a lasting folder has one path, stays when pods go, and goes when it is removed`, async () => {
    const host = await make();
    expect(await host.lastingNames()).toEqual([]);
    const path = await host.lastingDirectory('pv1');
    await host.directory({ podUid: 'u1', plugin: 'empty-dir', name: 'v' });
    await host.removePod('u1');
    expect([await host.lastingDirectory('pv1'), await host.lastingNames()]).toEqual([path, ['pv1']]);
    expect(await host.podUids()).toEqual([]);
    await host.removeLasting('pv1');
    await host.removeLasting('pv1');
    expect(await host.lastingNames()).toEqual([]);
  });

  test(`${name}: a path of the machine is where it says`, async () => {
    const host = await make();
    expect(await host.machinePath('/a path', '')).toEqual({ path: '/a path', isReadOnly: false });
  });

  test(`${name}: a part of a volume has a path`, async () => {
    const host = await make();
    const root = await host.directory({ podUid: 'u1', plugin: 'empty-dir', name: 'v' });
    expect(isAbsolute(await host.within(root, 'a/b', mount(0)))).toBe(true);
  });

  if (!hasFiles) return;
  const textOf = (path: string): Promise<string> => readFile(path, 'utf8');

  test(`${name}: contents are exactly what was written last`, async () => {
    const host = await make();
    const root = await host.write(volume, files({ a: '1', 'sub/b': '2' }));
    await host.write(volume, files({ a: '3', c: '4' }));
    const visible = (await readdir(root)).filter((one) => !one.startsWith('..')).toSorted();
    expect([visible, await textOf(join(root, 'a'))]).toEqual([['a', 'c'], '3']);
  });

  test(`${name}: a part of written files stays as it was for its mount (fault 37)`, async () => {
    const host = await make();
    const root = await host.write(volume, files({ a: 'old', 'sub/b': 'old', 'sub/deep/c': 'old' }));
    const [file, folder] = [await host.within(root, 'a', mount(0)), await host.within(root, 'sub', mount(1))];
    await host.write(volume, files({ a: 'new', 'sub/b': 'new' }));
    const now = async () => [await textOf(file), await textOf(join(folder, 'b')), await textOf(join(folder, 'deep/c'))];
    expect(await now()).toEqual(['old', 'old', 'old']);
    await host.write(volume, files({ other: '' }));
    expect(await now()).toEqual(['old', 'old', 'old']);
  });

  test(`${name}: what is in a folder is how full it is, of the file system that it is on`, async () => {
    const host = await make();
    const path = await host.directory({ podUid: 'u1', plugin: 'empty-dir', name: 'v' });
    await writeFile(join(path, 'file'), Buffer.alloc(100_000));
    const [files, filesystem] = [await host.usageOf(path, 'files'), await host.usageOf(path, 'filesystem')];
    expect(files?.bytes?.used).toBeGreaterThanOrEqual(100_000);
    expect(files?.bytes?.used).toBeLessThan(200_000);
    expect(files?.inodes?.used).toBe(1);
    expect([files?.bytes?.total, files?.inodes?.total]).toEqual([filesystem?.bytes?.total, filesystem?.inodes?.total]);
    await expect(host.usageOf(join(path, 'none'), 'files')).rejects.toThrow();
  });

  test(`${name}: the next container has a part of written files as it is then (fault 37)`, async () => {
    const host = await make();
    const root = await host.write(volume, files({ a: 'old' }));
    await host.within(root, 'a', mount(0));
    await host.write(volume, files({ a: 'new' }));
    expect(await textOf(await host.within(root, 'a', mount(0)))).toBe('new');
  });
}
