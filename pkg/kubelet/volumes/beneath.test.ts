import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openBeneath, openPath } from './beneath.ts';

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'coxswain-beneath-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [root, outside] = [join(folder, 'root'), join(folder, 'outside')];
  for (const path of [root, outside]) await mkdir(path);
  await writeFile(join(outside, 'secret'), 'secret');
  /** Names in a part, or the text of it, as it was opened. */
  const look = async (subPath: string, onResolved?: () => Promise<void>) => {
    const place = await openBeneath({ root, subPath, onResolved });
    try {
      const path = openPath(place);
      return (await place.stat()).isDirectory() ? await readdir(path) : await readFile(path, 'utf8');
    } finally {
      await place.close();
    }
  };
  return { root, outside, look };
}

test('a part is opened through links that stay in the volume, and made where there is nothing', async () => {
  const { root, look } = await start();
  await mkdir(join(root, 'a'));
  await writeFile(join(root, 'a/file'), 'text');
  await symlink('a', join(root, 'link'));
  expect([await look('link/file'), await look('./a//'), await look('')]).toEqual(['text', ['file'], ['a', 'link']]);
  expect(await look('link/made/deep')).toEqual([]);
  expect((await stat(join(root, 'a/made/deep'))).mode & 0o777).toBe((await stat(root)).mode & 0o777);
  await expect(look('a/file/x')).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test('a link that leads out of the volume is refused', async () => {
  const { root, outside, look } = await start();
  await symlink(outside, join(root, 'out'));
  await symlink('../outside/secret', join(root, 'file'));
  await symlink('nowhere', join(root, 'dangling'));
  for (const subPath of ['out', 'out/secret', 'out/made', 'file'])
    await expect(look(subPath)).rejects.toThrow('is outside of the volume');
  await expect(look('dangling')).rejects.toThrow('is outside of the volume');
  expect(await readdir(outside)).toEqual(['secret']);
});

test('a link that a pod swaps in once the others were resolved leads nowhere', async () => {
  const { root, outside, look } = await start();
  const swapped = async (name: string, target: string, subPath: string): Promise<unknown> => {
    await mkdir(join(root, name, 'deep'), { recursive: true });
    await writeFile(join(root, name, 'secret'), 'own');
    const seen = look(subPath, async () => {
      await rename(join(root, name), join(root, `${name}.was`));
      await symlink(target, join(root, name));
    });
    return seen.catch((error: unknown) => error);
  };
  for (const [name, subPath] of [
    ['last', 'last'],
    ['middle', 'middle/secret'],
    ['made', 'made/new'],
    ['deeper', 'deeper/deep/new'],
  ] as const)
    expect(await swapped(name, outside, subPath), subPath).toBeInstanceOf(Error);
  expect(await readdir(outside)).toEqual(['secret']);
});
