/** Archives of images that engines and other tools write, those that are damaged or mean harm, and what is saved. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { SystemRandom } from '#pkg/base/random.ts';
import { digestOf } from '../digest.ts';
import { systemCalls } from '../host/system-calls.ts';
import { type LocalImages, openImageStore } from '../local/local-image-store.ts';
import type { SnapshotterChoice } from '../snapshots/choose.ts';
import { type NewTarEntry, tarEnd, tarFile } from '../tar/tar-writer.ts';
import { archiveOf } from '../testing/archives.ts';
import { type FakeRegistries, fakeRegistries } from '../testing/fake-registries.ts';
import { noRoot, testFolder } from '../testing/folders.ts';
import { HastyClock } from '../testing/hasty-clock.ts';
import { type TestImage, testImage, testPlatform } from '../testing/image-documents.ts';

const layers = [archiveOf(['etc/', ''], ['etc/name', 'base']), archiveOf(['etc/name', 'top'])];
const image = testImage(layers);
const [base = Buffer.alloc(0), top = Buffer.alloc(0)] = layers;

async function openStore(): Promise<{
  readonly store: LocalImages;
  readonly folder: string;
  readonly registries: FakeRegistries;
}> {
  const folder = testFolder();
  const registries = fakeRegistries();
  return { store: await openAgain(folder, registries, 'copy'), folder, registries };
}

async function openAgain(
  folder: string,
  registries = fakeRegistries(),
  snapshotter: SnapshotterChoice = 'auto',
): Promise<LocalImages> {
  return openImageStore({
    folder: join(folder, 'images'),
    calls: await systemCalls(),
    clock: new HastyClock(),
    random: new SystemRandom(),
    platform: testPlatform,
    registries,
    snapshotter,
    isRoot: noRoot === undefined,
  });
}

type Line = readonly [entry: NewTarEntry, contents?: Buffer | string];

function archive(...lines: readonly Line[]): Buffer {
  return Buffer.concat([...lines.map(([entry, contents = '']) => tarFile(entry, contents)), tarEnd()]);
}

const config = Buffer.from(
  JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { diff_ids: layers.map((one) => digestOf(one)) } }),
);

/** As `docker save` of old writes, with what a test changes. */
function dockerArchive(manifest: object, ...more: readonly Line[]): Buffer {
  return archive(
    [{ path: 'a/layer.tar' }, base],
    [{ path: 'a/VERSION' }, '1.0'],
    [{ path: 'a/json' }, '{}'],
    [{ path: 'b/layer.tar' }, gzipSync(top)],
    [{ path: 'config.json' }, config],
    [
      { path: 'manifest.json' },
      JSON.stringify([
        { Config: 'config.json', RepoTags: ['app:1'], Layers: ['a/layer.tar', 'b/layer.tar'], ...manifest },
      ]),
    ],
    ...more,
  );
}

function layout(
  one: Pick<TestImage, 'contents' | 'target'>,
  names: Readonly<Record<string, string>>,
  ...more: readonly Line[]
): Buffer {
  const manifests = [{ ...one.target, annotations: names }];
  return archive(
    [{ path: 'oci-layout' }, '{"imageLayoutVersion":"1.0.0"}'],
    [{ path: 'index.json' }, JSON.stringify({ schemaVersion: 2, manifests })],
    ...[...one.contents].map(([digest, bytes]): Line => [{ path: `blobs/${digest.replace(':', '/')}` }, bytes]),
    ...more,
  );
}

const tagName = 'org.opencontainers.image.ref.name';

async function load(bytes: Buffer, name?: string) {
  const { store, folder } = await openStore();
  const path = join(folder, 'archive');
  writeFileSync(path, bytes);
  const loaded = await store.load(path, name === undefined ? {} : { name });
  return { store, loaded };
}

describe('an archive', () => {
  test.each<[string, Buffer, readonly string[]]>([
    ['of docker save', dockerArchive({}), ['docker.io/library/app:1']],
    ['of docker save, with gzip', gzipSync(dockerArchive({})), ['docker.io/library/app:1']],
    ['of docker save, with zstd', zstdCompressSync(dockerArchive({})), ['docker.io/library/app:1']],
    [
      'of docker save, with several names',
      dockerArchive({ RepoTags: ['app:1', 'q.io/app:2'] }),
      ['docker.io/library/app:1', 'q.io/app:2'],
    ],
    [
      'with layers that are links',
      dockerArchive(
        { Layers: ['c/layer.tar', 'd/layer.tar'] },
        [{ kind: 'symlink', path: 'c/layer.tar', target: '../a/layer.tar' }],
        [{ kind: 'link', path: 'd/layer.tar', target: 'b/layer.tar' }],
      ),
      ['docker.io/library/app:1'],
    ],
    ['that is a layout', layout(image, { [tagName]: 'q.io/app:3' }), ['q.io/app:3']],
    [
      'with paths that begin with a dot',
      Buffer.concat([
        tarFile({ path: './a/layer.tar' }, base),
        dockerArchive({ Layers: ['./a/layer.tar', 'b/layer.tar'] }),
      ]),
      ['docker.io/library/app:1'],
    ],
  ])('%s', async (_, bytes, tags) => {
    const { store, loaded } = await load(bytes);
    expect(loaded.map((one) => one.tags)).toEqual([tags]);
    expect(loaded[0]?.diffIds).toEqual(image.diffIds);
    expect(await store.find(tags[0] ?? '')).toEqual(loaded[0]);
  });

  test('keeps the digest of a layout, and the id of docker save', async () => {
    const { loaded } = await load(layout(image, { [tagName]: 'q.io/app:3' }));
    expect(loaded[0]).toMatchObject({ id: image.id, digests: [`q.io/app@${image.target.digest}`] });
    expect((await load(dockerArchive({}))).loaded[0]?.id).toBe(digestOf(config));
  });

  test('without a name needs one', async () => {
    const unnamed: readonly Readonly<Record<string, string>>[] = [{}, { [tagName]: 'latest' }];
    for (const names of unnamed) {
      await expect(load(layout(image, names))).rejects.toMatchObject({ reason: 'invalidName' });
      expect((await load(layout(image, names), 'app')).loaded[0]?.tags).toEqual(['docker.io/library/app:latest']);
    }
  });

  test('may be a folder', async () => {
    const { store, folder } = await openStore();
    const path = join(folder, 'layout');
    mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(join(path, 'index.json'), JSON.stringify({ manifests: [image.target] }));
    for (const [digest, bytes] of image.contents) writeFileSync(join(path, 'blobs', digest.replace(':', '/')), bytes);
    expect((await store.load(path, { name: 'app' }))[0]?.id).toBe(image.id);
  });
});

describe('an archive is refused', () => {
  const broken = Buffer.from(image.contents.get(image.id) ?? []);
  broken[0] = 0;
  test.each<[string, Buffer, string]>([
    ['that is none', Buffer.from('text'.repeat(500)), 'damaged'],
    ['that is empty', Buffer.alloc(0), 'unsupported'],
    ['that has other things', archive([{ path: 'README' }, 'x']), 'unsupported'],
    ['of an engine of long ago', archive([{ path: 'repositories' }, '{}']), 'unsupported'],
    ['that ends early', dockerArchive({}).subarray(0, 2000), 'damaged'],
    ['whose compression ends early', gzipSync(dockerArchive({})).subarray(0, 300), 'damaged'],
    ['that lacks a layer', dockerArchive({ Layers: ['a/layer.tar', 'none'] }), 'damaged'],
    ['that has a layer too few', dockerArchive({ Layers: ['a/layer.tar'] }), 'damaged'],
    ['whose layers are in another order', dockerArchive({ Layers: ['b/layer.tar', 'a/layer.tar'] }), 'damaged'],
    [
      'with links in a circle',
      dockerArchive(
        { Layers: ['c', 'd'] },
        [{ kind: 'symlink', path: 'c', target: 'd' }],
        [{ kind: 'symlink', path: 'd', target: 'c' }],
      ),
      'damaged',
    ],
    ['with a layer outside', dockerArchive({ Layers: ['../a/layer.tar', 'b/layer.tar'] }), 'damaged'],
    [
      'with a link to outside',
      dockerArchive({ Layers: ['c', 'b/layer.tar'] }, [
        { kind: 'symlink', path: 'c', target: '../../../../etc/passwd' },
      ]),
      'damaged',
    ],
    ['with an absolute path', dockerArchive({}, [{ path: '/etc/passwd' }, 'x']), 'damaged'],
    ['with a path that leads out', dockerArchive({}, [{ path: 'a/../../x' }, 'x']), 'damaged'],
    [
      'with a wrong digest',
      layout({ ...image, contents: new Map([...image.contents, [image.id, broken]]) }, { [tagName]: 'q.io/a:1' }),
      'damaged',
    ],
    [
      'whose index names what is not there',
      layout({ target: image.target, contents: new Map() }, { [tagName]: 'q.io/a:1' }),
      'damaged',
    ],
    ['with a name that is none', dockerArchive({ RepoTags: ['App/:x'] }), 'invalidName'],
    ['with a manifest that is none', archive([{ path: 'manifest.json' }, '{']), 'damaged'],
    ['with a manifest of something else', archive([{ path: 'manifest.json' }, '[1]']), 'damaged'],
    [
      'with an index without end',
      archive([{ path: 'oci-layout' }, '{}'], [{ path: 'index.json' }, Buffer.alloc(5 << 20, ' ')]),
      'damaged',
    ],
  ])('%s', async (_, bytes, reason) => {
    const { store, folder } = await openStore();
    const path = join(folder, 'archive');
    writeFileSync(path, bytes);
    await expect(store.load(path)).rejects.toMatchObject({ name: 'ImageStoreError', reason });
    expect(await store.list()).toEqual([]);
    await store.collect();
    // Nothing of it stays, and nothing was written beside the store.
    expect([await store.usage(), readdirSync(folder).sort()]).toEqual([{ bytes: 0, inodes: 0 }, ['archive', 'images']]);
  });

  test('that is not there', async () => {
    const { store } = await openStore();
    await expect(store.load('/nowhere/at/all')).rejects.toMatchObject({ reason: 'notFound' });
  });
});

test('what is saved can be loaded, is the same each time, and names what was asked for', async () => {
  const { store, folder, registries } = await openStore();
  registries.add('q.io/app:1', image);
  registries.add('docker.io/library/app:2', testImage([base]));
  await store.pull('q.io/app:1');
  await store.pull('app:2');
  const paths = ['first', 'second'].map((name) => join(folder, name));
  for (const path of paths) await store.save(['q.io/app:1', 'app:2', 'app:2'], path);
  const [first, second] = paths.map((path) => readFileSync(path));
  expect(first?.equals(second ?? Buffer.alloc(0))).toBe(true);
  const { loaded } = await load(first ?? Buffer.alloc(0));
  expect(loaded.map(({ tags, digests }) => [tags, digests])).toEqual([
    [['q.io/app:1'], [`q.io/app@${image.target.digest}`]],
    [['docker.io/library/app:2'], [expect.stringMatching(/^docker\.io\/library\/app@/)]],
  ]);
  await expect(store.save(['none:1'], join(folder, 'third'))).rejects.toMatchObject({ reason: 'notFound' });
  await expect(store.save(['app:2'], '/nowhere/at/all')).rejects.toMatchObject({ reason: 'failed' });
  expect(readdirSync(folder).sort()).toEqual(['first', 'images', 'second']);
});

test('history says what each layer takes, whether the image says how it was made or not', async () => {
  const { store, registries } = await openStore();
  registries.add('q.io/app:1', image);
  await store.pull('q.io/app:1');
  const sizes = (await store.history('q.io/app:1')).map(({ sizeBytes }) => sizeBytes);
  expect(sizes).toEqual([gzipSync(top).length, gzipSync(base).length]);
});

describe('what was left behind', () => {
  test('by a process that died is taken away', async () => {
    const { store, folder } = await openStore();
    const images = join(folder, 'images');
    for (const path of ['layers/half-1', 'layers/7/etc', 'roots/0']) mkdirSync(join(images, path), { recursive: true });
    for (const path of [
      'layers/half-1/file',
      'layers/7/etc/file',
      'ingest/0.part',
      'ingest/1.new',
      'pins/0',
      `blobs/sha256/${'0'.repeat(64)}`,
    ])
      writeFileSync(join(images, path), 'x');
    // As one that died while it looked whether there are overlay mounts.
    mkdirSync(join(images, 'probe/lower'), { recursive: true });
    // A pin that nobody holds any more protects nothing.
    writeFileSync(join(images, 'pins/1'), `sha256:${'0'.repeat(64)}\n`);
    await store.collect();
    await openAgain(folder);
    // Who may not mount does not look.
    if (noRoot === undefined) expect(readdirSync(images)).not.toContain('probe');
    const left = ['layers', 'ingest', 'pins', 'blobs/sha256'].map((path) => readdirSync(join(images, path)));
    expect(left).toEqual([[], [], [], []]);
  });

  test('and what the disk has changed is not there; a pull brings it again', async () => {
    const { store, folder, registries } = await openStore();
    registries.add('q.io/app:1', image);
    await store.pull('q.io/app:1');
    const blobs = join(folder, 'images/blobs/sha256');
    for (const name of readdirSync(blobs)) writeFileSync(join(blobs, name), 'x');
    const again = await openAgain(folder, registries);
    expect(await again.list()).toEqual([]);
    await again.pull('q.io/app:1');
    expect(await again.find('q.io/app:1')).toMatchObject({ id: image.id });
  });
});

test('images without a tag are pruned, and with all those that no root uses', async () => {
  const { store, registries } = await openStore();
  registries.add('q.io/app:1', image);
  await store.pull('q.io/app:1');
  registries.add('q.io/app:1', testImage([base]));
  await store.pull('q.io/app:1');
  const first = await store.prune({ all: false });
  expect([first.images.map(({ id }) => id), first.bytes > 0]).toEqual([[image.id], true]);
  expect((await store.list()).map(({ tags }) => tags)).toEqual([['q.io/app:1']]);
  expect((await store.prune({ all: true })).images).toHaveLength(1);
  expect([await store.list(), await store.usage()]).toEqual([[], { bytes: 0, inodes: 0 }]);
});
