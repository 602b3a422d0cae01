/** Images that nothing uses go when their disk is nearly full: longest unused first, never one in use, never a new one. */
import { expect, test } from 'vitest';
import { events } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type ImageInfo, type ImageService, RuntimeError } from '../runtime/runtime.ts';
import { start } from '../testing/virtual-node.ts';
import { type ImageCollectionSettings, ImageCollector } from './image-collector.ts';

const minuteMs = 60_000;
const lookMs = 5 * minuteMs;
const usual: ImageCollectionSettings = { highPercent: 85, lowPercent: 80, ageMsMin: 2 * minuteMs, ageMsMax: 0 };

const image = (id: string, sizeBytes = 10): ImageInfo => ({
  id,
  repoTags: [`example.com/${id}:v1`],
  repoDigests: [],
  sizeBytes,
});

/** A disk of 100 bytes, of which `available` are left, with images that can be taken from it. */
function machine(settings: Partial<ImageCollectionSettings> = {}) {
  const clock = new VirtualClock();
  const images = new Map<string, ImageInfo>();
  const used = new Set<string>();
  const stuck = new Set<string>();
  const removed: string[] = [];
  const said: string[] = [];
  const disk: { now: { available: number; capacity: number } | undefined } = {
    now: { available: 50, capacity: 100 },
  };
  const service: ImageService = {
    status: async (name) => images.get(name),
    pull: async (name) => image(name),
    list: async () => [...images.values()],
    removal: {
      inUse: async () => new Set(used),
      async remove(id) {
        if (stuck.has(id)) throw new RuntimeError('failed', `Cannot remove ${id}`);
        const bytes = images.get(id)?.sizeBytes ?? 0;
        if (disk.now !== undefined) disk.now.available += bytes;
        images.delete(id);
        removed.push(id);
        return bytes;
      },
    },
  };
  const { removal: _, ...builtIn } = service;
  const collector = new ImageCollector({
    clock,
    log: silentLogger,
    settings: { ...usual, ...settings },
    observe: async () => disk.now,
    services: [builtIn, service],
    record: ({ reason, message }) => said.push(`${reason}: ${message}`),
  });
  const add = (...ids: readonly string[]): void => ids.forEach((id) => void images.set(id, image(id)));
  const run = (): (() => Promise<void>) => {
    const ending = new AbortController();
    const running = collector.run(ending.signal);
    return async () => {
      ending.abort();
      await running;
    };
  };
  return { clock, images, used, stuck, removed, said, disk, collector, add, run };
}

const shortOf = (bytes: number, found: number): string =>
  `Failed to garbage collect required amount of images. Attempted to free ${bytes} bytes, but only found ${found} bytes eligible to free.`;

test('a disk that is not full enough keeps its images', async () => {
  const { clock, disk, removed, collector, add } = machine();
  add('a');
  await collector.look();
  await clock.advance(lookMs);
  disk.now = { available: 16, capacity: 100 };
  await collector.look();
  expect(removed).toEqual([]);
  disk.now = { available: 15, capacity: 100 };
  await collector.look();
  expect(removed).toEqual(['a']);
});

test('those that were used longest ago go first, until the disk is as empty as it should be', async () => {
  const { clock, used, disk, removed, said, collector, add } = machine();
  add('recent', 'running', 'older', 'never');
  for (const each of [['older', 'recent'], ['recent'], []]) {
    used.clear();
    for (const id of ['running', ...each]) used.add(id);
    await collector.look();
    await clock.advance(lookMs);
  }
  disk.now = { available: 5, capacity: 100 };
  await collector.look();
  // 15 bytes are wanted: two images of 10.
  expect([removed, said]).toEqual([['never', 'older'], []]);
  await clock.advance(lookMs);
  await collector.look();
  expect(removed).toHaveLength(2);
});

test('an image in use stays whatever the disk says, and so does one that has just come', async () => {
  const { clock, used, disk, removed, said, collector, add } = machine();
  disk.now = { available: 0, capacity: 100 };
  add('running', 'fresh');
  used.add('running');
  await expect(collector.look()).rejects.toThrow(shortOf(20, 0));
  expect([removed, said]).toEqual([[], [`FreeDiskSpaceFailed: ${shortOf(20, 0)}`]]);
  await clock.advance(2 * minuteMs);
  await expect(collector.look()).rejects.toThrow(shortOf(20, 10));
  expect(removed).toEqual(['fresh']);
});

test('each disk is looked at for itself, and what one of them lacks is taken from no other', async () => {
  const clock = new VirtualClock();
  const disks = new Map([
    ['', { available: 50, capacity: 100 }],
    ['/var/lib/containerd', { available: 5, capacity: 100 }],
  ]);
  const [removed, said]: [string[], string[]] = [[], []];
  const serviceOf = (name: string, folder?: string): ImageService => ({
    status: async () => undefined,
    pull: async (one) => image(one),
    list: async () => ['a', 'b', 'c'].map((id) => image(`${name}-${id}`)),
    removal: {
      inUse: async () => new Set<string>(),
      remove: async (id) => removed.push(id) * 0 + 10,
      ...(folder === undefined ? {} : { disk: async () => folder }),
    },
  });
  const collector = new ImageCollector({
    clock,
    log: silentLogger,
    settings: { ...usual, ageMsMin: 0 },
    observe: async (folder = '') => disks.get(folder),
    services: [serviceOf('own'), serviceOf('cri', '/var/lib/containerd')],
    record: ({ message }) => said.push(message),
  });
  await collector.look();
  expect([removed, said]).toEqual([['cri-a', 'cri-b'], []]);
  disks.set('', { available: 0, capacity: 200 });
  await expect(collector.look()).rejects.toThrow(shortOf(40, 30));
  expect(removed.slice(2).toSorted()).toEqual(['cri-a', 'cri-b', 'own-a', 'own-b', 'own-c']);
});

test('what cannot be taken away is passed over, and the event says why', async () => {
  const { clock, stuck, disk, removed, said, collector, add } = machine();
  add('stuck', 'other');
  stuck.add('stuck');
  await collector.look();
  await clock.advance(lookMs);
  disk.now = { available: 5, capacity: 100 };
  await expect(collector.look()).rejects.toThrow('Cannot remove stuck');
  expect([removed, said]).toEqual([['other'], [`FreeDiskSpaceFailed: ${shortOf(15, 10)} Cannot remove stuck`]]);
});

test('a failure is said of the node as such when it comes twice', async () => {
  const { clock, disk, said, run } = machine();
  disk.now = { available: 0, capacity: 100 };
  const end = run();
  await clock.settle();
  await clock.advance(lookMs);
  const short = shortOf(20, 0);
  expect(said.slice(0, 3)).toEqual([
    `FreeDiskSpaceFailed: ${short}`,
    `FreeDiskSpaceFailed: ${short}`,
    `ImageGCFailed: ${short}`,
  ]);
  await end();
});

test('images that nothing has used for so long go although there is room', async () => {
  const { clock, used, disk, removed, collector, add } = machine({ highPercent: 100, ageMsMax: 12 * minuteMs });
  disk.now = undefined;
  add('kept', 'once');
  used.add('kept').add('once');
  await collector.look();
  await clock.advance(lookMs);
  await collector.look();
  used.delete('once');
  const gone: string[] = [];
  for (let looks = 0; looks < 4; looks += 1) {
    await clock.advance(lookMs);
    await collector.look();
    gone.push(removed.join());
  }
  expect(gone).toEqual(['', '', 'once', 'once']);
});

test('where the disk cannot be seen, nothing goes', async () => {
  const { clock, disk, removed, collector, add } = machine();
  disk.now = undefined;
  add('a');
  await collector.look();
  await clock.advance(lookMs);
  await collector.look();
  expect(removed).toEqual([]);
});

test('a kubelet collects, and says of its node what it could not free', async () => {
  const removed: string[] = [];
  const cluster = await start((runtime) => {
    const removal = {
      inUse: async () => new Set<string>(),
      remove: async (id: string) => {
        removed.push(id);
        return 1;
      },
    };
    Object.assign(runtime.images, { removal, list: async () => [image('old')] });
    const observe = async () => ({ available: 10, capacity: 100 });
    return { imageCollection: { ...usual, observe } };
  });
  await cluster.clock.advance(lookMs);
  const told = await cluster.client.resource(events).list({ namespace: 'default' });
  expect(removed).toEqual(['old']);
  expect(
    told.items.flatMap(({ involvedObject, reason, type }) =>
      type === 'Warning' ? [[involvedObject.kind, involvedObject.name, reason]] : [],
    ),
  ).toContainEqual(['Node', 'n1', 'FreeDiskSpaceFailed']);
});
