import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aliasOf, readImageAliases } from './image-aliases.ts';
import { resolveImage } from './images.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coxswain-aliases-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function listOf(text: string): Promise<string> {
  const path = join(folder, 'images.yaml');
  await writeFile(path, text);
  return path;
}

test('an image of any tag has what stands for its name, and of one tag what stands for that', async () => {
  const aliases = await readImageAliases(
    await listOf(
      'registry.k8s.io/pause: coxswain.dev/pause\nnginx: ./web.mjs\n"nginx:1.0": {image: echo, entrypoint: nginx}\n',
    ),
  );
  expect(aliasOf(aliases, 'registry.k8s.io/pause:3.9')).toEqual({ image: 'coxswain.dev/pause' });
  expect(aliasOf(aliases, 'nginx')).toEqual({ image: pathToFileURL(join(folder, 'web.mjs')).href });
  expect(aliasOf(aliases, 'nginx:1.0')).toEqual({ image: 'echo', entrypoint: 'nginx' });
  expect(aliasOf(aliases, 'pause:3.9')).toBeUndefined();
  const found = await resolveImage('nginx:1.0', aliases);
  expect(found).toMatchObject({ entrypoint: 'nginx', tag: '1.0', info: { repoTags: ['nginx:1.0'] } });
  expect(found?.info.id).toMatch(/^nginx@sha256:[0-9a-f]{64}$/);
  // What stands for it is not there.
  expect(await resolveImage('nginx', aliases)).toBeUndefined();
});

test.each([
  ['- a\n', 'it is no map of names to images'],
  ['a: 1\n', 'a names no image'],
  ['a: {entrypoint: x}\n', 'a names no image'],
  ['A: echo\n', 'couldn\'t parse image name "A"'],
  ['a: [\n', 'line'],
])('a list that is none is refused in one line: %j', async (text, why) => {
  await expect(readImageAliases(await listOf(text))).rejects.toThrow(why);
});

test('so is one that is not there', async () => {
  await expect(readImageAliases(join(folder, 'no'))).rejects.toThrow('as the list of images: ENOENT');
});
