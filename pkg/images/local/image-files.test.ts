/** Files read out of layers are those that a root made of them would have. */
import { expect, test } from 'vitest';
import { type ArchiveLine, archiveOf, streamOf } from '../testing/archives.ts';
import { readImageFiles } from './image-files.ts';

const wish = { names: ['kernel', 'disk'], bytesMax: 100 };
const layer = (...lines: readonly ArchiveLine[]) => ({ diffId: '', open: async () => streamOf(archiveOf(...lines)) });

async function read(...layers: readonly ReturnType<typeof layer>[]): Promise<Record<string, string>> {
  const files = await readImageFiles(layers, wish);
  return Object.fromEntries([...files].map(([name, bytes]) => [name, bytes.toString()]));
}

test.each([
  [
    'the uppermost layer wins',
    [layer(['./kernel', 'old'], ['disk', 'd']), layer(['/kernel', 'new'])],
    { kernel: 'new', disk: 'd' },
  ],
  ['a whiteout hides what is below', [layer(['kernel', 'old']), layer(['.wh.kernel', ''])], {}],
  [
    'and nothing beside it',
    [layer(['kernel', 'old']), layer(['kernel', 'new'], ['.wh.kernel', ''])],
    { kernel: 'new' },
  ],
  [
    'an opaque folder hides all that is below',
    [layer(['kernel', 'a'], ['disk', 'd']), layer(['.wh..wh..opq', ''], ['disk', 'e'])],
    { disk: 'e' },
  ],
  ['files of other folders and names are none of them', [layer(['boot/kernel', 'a'], ['other', 'b'])], {}],
])('%s', async (_, layers, expected) => {
  expect(await read(...layers)).toEqual(expected);
});

test('links and files that are too large are refused', async () => {
  const link = layer({ path: 'kernel', kind: 'symlink', target: '/etc/shadow' });
  await expect(read(link)).rejects.toMatchObject({ reason: 'unsupported' });
  await expect(read(layer(['disk', 'x'.repeat(101)]))).rejects.toMatchObject({ reason: 'unsupported' });
});
