/** The laws of `image-store.ts`, for every way in which roots are made. A store is one folder, which can be opened anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LocalImages } from './local/local-image-store.ts';
import { archiveOf } from './testing/archives.ts';
import { type FakeRegistries, fakeRegistries } from './testing/fake-registries.ts';
import { contentsOf } from './testing/folders.ts';
import { testImage, testIndex } from './testing/image-documents.ts';

/** A folder for stores. */
export interface StorePlaceForTests {
  /** Opens the store; what was opened before may go on. */
  open(registries: FakeRegistries): Promise<LocalImages>;
  /** A folder for files of the test. */
  readonly folder: string;
  /** Opens roots that a test leaves behind no more. */
  releaseAtEnd(store: LocalImages, key: string): void;
}

const base = archiveOf(['etc/', ''], ['etc/name', 'base'], ['gone', 'x']);
const top = archiveOf(['etc/name', 'top'], ['.wh.gone', '']);
const image = testImage([base, top], { config: { Entrypoint: ['/bin/app'], Cmd: ['run'], Env: ['A=1'], User: '5' } });
const name = 'docker.io/library/app:1';
const rootLines = ['etc/ 755', 'etc/name 644 top'];

/** Runs the laws. */
export function imageStoreConformance(title: string, isAble: boolean, place: () => StorePlaceForTests): void {
  const setup = async () => {
    const registries = fakeRegistries();
    registries.add(name, image);
    const at = place();
    return { at, registries, store: await at.open(registries) };
  };

  describe.skipIf(!isAble)(`${title}: law 1, what is found is whole`, () => {
    test('an image is found by its names, its digests and its id', async () => {
      const { store } = await setup();
      const pulled = await store.pull('app:1');
      expect(pulled).toMatchObject({
        id: image.id,
        tags: [name],
        digests: [`docker.io/library/app@${image.target.digest}`],
        architecture: 'amd64',
        diffIds: image.diffIds,
        sizeBytes: [...image.contents.values()].reduce((total, { length }) => total + length, 0),
        config: {
          entrypoint: ['/bin/app'],
          command: ['run'],
          environment: ['A=1'],
          user: '5',
          workingDirectory: '',
          labels: {},
          volumes: [],
        },
      });
      const short = image.id.slice(7, 19);
      for (const text of ['app:1', name, `app@${image.target.digest}`, image.id, image.id.slice(7), short])
        expect(await store.find(text), text).toEqual(pulled);
      expect(await store.list()).toEqual([pulled]);
      expect(await store.find('app:2')).toBeUndefined();
      await expect(store.find('App')).rejects.toMatchObject({ reason: 'invalidName' });
    });

    test('another store on the same folder finds it', async () => {
      const { at, store, registries } = await setup();
      const second = await at.open(registries);
      await store.pull(name);
      expect(await second.find(name)).toMatchObject({ id: image.id });
    });

    test('of an index the image of this machine is taken, and found by both digests', async () => {
      const { store, registries } = await setup();
      const other = testImage([base], { platform: { os: 'linux', architecture: 'riscv64' } });
      const index = testIndex([
        [{ os: 'linux', architecture: 'riscv64' }, other],
        [{ os: 'linux', architecture: 'amd64' }, image],
      ]);
      registries.add('q.io/app:1', index);
      expect(await store.pull('q.io/app:1')).toMatchObject({
        id: image.id,
        digests: [`q.io/app@${index.target.digest}`],
      });
      expect(await store.find(`q.io/app@${image.target.digest}`)).toMatchObject({ id: image.id });
      registries.add(
        'q.io/other:1',
        testIndex([
          [{ os: 'linux', architecture: 'riscv64' }, other],
          [{ os: 'linux', architecture: 's390x' }, image],
        ]),
      );
      await expect(store.pull('q.io/other:1')).rejects.toMatchObject({ reason: 'unsupported' });
    });

    test.each<[string, string, (bytes: Buffer) => Buffer]>([
      ['other contents', 'damaged', (bytes) => Buffer.from(bytes).reverse()],
      ['more than was said', 'damaged', (bytes) => Buffer.concat([bytes, bytes])],
      ['less than was said', 'unreachable', (bytes) => bytes.subarray(0, 10)],
      ['nothing', 'unreachable', () => Buffer.alloc(0)],
    ])('%s is refused, and the next pull succeeds', async (_, reason, change) => {
      const { store, registries } = await setup();
      registries.answerWith(async function* (__, bytes, offset) {
        yield change(bytes).subarray(offset);
      });
      await expect(store.pull(name)).rejects.toMatchObject({ name: 'ImageStoreError', reason });
      expect([await store.find(name), await store.list()]).toEqual([undefined, []]);
      registries.answerWith(undefined);
      expect(await store.pull(name)).toMatchObject({ id: image.id });
    });

    test('a layer that is not what the configuration says is refused', async () => {
      const { store, registries } = await setup();
      registries.add(
        'q.io/lie:1',
        testImage([base, top], { diffIds: [image.diffIds[1] ?? '', image.diffIds[0] ?? ''] }),
      );
      await expect(store.pull('q.io/lie:1')).rejects.toMatchObject({ reason: 'damaged' });
      expect(await store.list()).toEqual([]);
    });

    test('a pull goes on where an earlier one was cut off, with the blobs that are whole', async () => {
      const { store, registries } = await setup();
      const cut = [...image.contents].find(([digest]) => digest !== image.target.digest && digest !== image.id)?.[0];
      const abort = new AbortController();
      registries.answerWith(async function* ({ digest }, bytes, offset) {
        if (digest !== cut) return yield bytes.subarray(offset);
        yield bytes.subarray(offset, offset + 10);
        abort.abort(new Error('enough'));
        yield bytes.subarray(offset + 10);
      });
      await expect(store.pull(name, { signal: abort.signal })).rejects.toThrow('enough');
      expect(await store.find(name)).toBeUndefined();
      registries.answerWith(undefined);
      const before = registries.asked.length;
      await store.pull(name);
      expect(registries.asked.slice(before).filter((line) => line.includes(cut ?? ''))).toEqual([`blob ${cut} 10`]);
    });

    test('progress is told of each blob', async () => {
      const { store } = await setup();
      const done = new Map<string, number>();
      await store.pull(name, {
        progress: ({ digest, doneBytes, totalBytes }) => void done.set(digest, doneBytes / totalBytes),
      });
      expect([...done.values()]).toEqual([1, 1, 1]);
    });
  });

  describe.skipIf(!isAble)(`${title}: law 2, roots`, () => {
    test('a root has the image, is its key’s alone, and stays', async () => {
      const { at, store, registries } = await setup();
      const { id } = await store.pull(name);
      const first = await store.prepare('a', id);
      at.releaseAtEnd(store, 'a');
      const second = await store.prepare('b', id);
      at.releaseAtEnd(store, 'b');
      expect(contentsOf(first.path)).toEqual(rootLines);
      writeFileSync(join(first.path, 'etc/name'), 'mine');
      expect(readFileSync(join(second.path, 'etc/name'), 'utf8')).toBe('top');
      expect(contentsOf(first.changesPath)).toContain('etc/name 644 mine');
      // Another process, later.
      const later = await at.open(registries);
      expect(await later.prepare('a', id)).toEqual(first);
      expect(readFileSync(join(first.path, 'etc/name'), 'utf8')).toBe('mine');
    });

    test('a root that is released is gone, and made anew when it is wanted again', async () => {
      const { at, store } = await setup();
      const { id } = await store.pull(name);
      const root = await store.prepare('a', id);
      writeFileSync(join(root.path, 'etc/name'), 'mine');
      await store.release('a');
      await store.release('a');
      await store.release('never there');
      expect(() => contentsOf(root.path)).toThrow();
      const again = await store.prepare('a', id);
      at.releaseAtEnd(store, 'a');
      expect(contentsOf(again.path)).toEqual(rootLines);
    });

    test('a key is of one image; an image that is not there has no roots', async () => {
      const { at, store, registries } = await setup();
      const other = testImage([base]);
      registries.add('q.io/other:1', other);
      await store.pull('q.io/other:1');
      const { id } = await store.pull(name);
      await store.prepare('a', id);
      at.releaseAtEnd(store, 'a');
      await expect(store.prepare('a', other.id)).rejects.toMatchObject({ reason: 'failed' });
      await expect(store.prepare('b', `sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ reason: 'notFound' });
    });

    test('an image without layers has an empty root', async () => {
      const { at, store, registries } = await setup();
      registries.add('q.io/empty:1', testImage([]));
      const { id } = await store.pull('q.io/empty:1');
      const root = await store.prepare('a', id);
      at.releaseAtEnd(store, 'a');
      expect(contentsOf(root.path)).toEqual([]);
    });

    test('a root is prepared once, whoever asks at the same time', async () => {
      const { at, store, registries } = await setup();
      const { id } = await store.pull(name);
      const second = await at.open(registries);
      at.releaseAtEnd(store, 'a');
      const roots = await Promise.all([store, second, store, second].map((one) => one.prepare('a', id)));
      expect(new Set(roots.map(({ path }) => path)).size).toBe(1);
    });
  });

  describe.skipIf(!isAble)(`${title}: law 3, names and contents`, () => {
    test('what has neither name nor root is taken away', async () => {
      const { store } = await setup();
      await store.pull(name);
      const full = await store.usage();
      await store.tag(name, 'q.io/again:1');
      expect(await store.remove(name)).toBe(0);
      expect(await store.find('q.io/again:1')).toMatchObject({ id: image.id, tags: ['q.io/again:1'] });
      expect(await store.usage()).toEqual(full);
      expect(await store.remove(image.id)).toBe(full.bytes);
      expect([await store.list(), await store.usage()]).toEqual([[], { bytes: 0, inodes: 0 }]);
      await expect(store.remove(name)).rejects.toMatchObject({ reason: 'notFound' });
    });

    test('contents stay until the last root is released', async () => {
      const { at, store, registries } = await setup();
      const { id } = await store.pull(name);
      expect(await store.inUse()).toEqual(new Set());
      const root = await store.prepare('a', id);
      expect(await store.inUse()).toEqual(new Set([id]));
      await store.remove(name);
      await store.collect();
      expect([await store.find(name), contentsOf(root.path)]).toEqual([undefined, rootLines]);
      // Also for a process that comes later.
      const later = await at.open(registries);
      await later.collect();
      expect(await later.inUse()).toEqual(new Set([id]));
      expect(contentsOf((await later.prepare('a', id)).path)).toEqual(rootLines);
      await later.release('a');
      expect(await later.inUse()).toEqual(new Set());
      await later.collect();
      expect(await later.usage()).toEqual({ bytes: 0, inodes: 0 });
    });

    test('a name that leads to something else now leaves the old image by its digest', async () => {
      const { store, registries } = await setup();
      await store.pull(name);
      const next = testImage([base]);
      registries.add(name, next);
      await store.pull(name);
      const old = await store.find(image.id);
      expect([old?.tags, old?.digests]).toEqual([[], [`docker.io/library/app@${image.target.digest}`]]);
      expect(await store.find(name)).toMatchObject({ id: next.id });
    });

    test('who collects leaves alone what another pulls meanwhile', async () => {
      const { at, store, registries } = await setup();
      const second = await at.open(registries);
      registries.answerWith(async function* (_, bytes, offset) {
        await second.collect();
        yield bytes.subarray(offset);
        await second.collect();
      });
      await store.pull(name);
      await second.collect();
      expect(await second.find(name)).toMatchObject({ id: image.id });
    });
  });
}
