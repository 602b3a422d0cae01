import { expect, test } from 'vitest';
import type { WatchFrame } from '#pkg/apimachinery/http.ts';
import { chunksOf } from '#pkg/serving/chunked.ts';
import type { CacheEvent } from '#pkg/storage/cache.ts';
import { watcherBacklogMax } from '#pkg/storage/watch-cache.ts';
import { objectCodec } from './storage/object-codec.ts';
import { storedView } from './storage/version-view.ts';
import { objectFrame } from './watch-frame.ts';
import { WatchStream } from './watch-stream.ts';

let revision = 1;

function added(name: string, bytes = 0): CacheEvent {
  const metadata = { name, annotations: { padding: 'x'.repeat(bytes) } };
  const value = Buffer.from(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata }));
  revision++;
  const kv = { key: `/registry/configmaps/${name}`, value, createRevision: revision, modRevision: revision };
  return { type: 'ADDED', entry: objectCodec.entry(kv), revision };
}

function makeStream(): WatchStream {
  return new WatchStream({
    view: storedView,
    selection: undefined,
    errorFrame: (error) => objectFrame('ERROR', { metadata: { name: error.message } }),
  });
}

const namesOf = (frames: readonly WatchFrame[]): string[] =>
  frames.map(({ type, object }) => `${type} ${object.metadata?.name}`);

test('a reader is told at once, and takes what came since it last took, in order', () => {
  const stream = makeStream();
  const taken: string[][] = [];
  stream.onReady(() => taken.push(namesOf(stream.take())));
  stream.onEvents([added('a'), added('b')]);
  stream.onEvents([added('c')]);
  expect(taken).toEqual([['ADDED a', 'ADDED b'], ['ADDED c']]);
  expect(stream.take()).toEqual([]);
});

test('watchers that are told the same are given the same frames, and encode them once', () => {
  const [one, other, late] = [makeStream(), makeStream(), makeStream()];
  const events = [added('a'), added('b')];
  late.onEvents([added('before')]);
  for (const stream of [one, other, late]) stream.onEvents(events);
  const frames = one.take();
  expect(other.take()).toBe(frames);
  expect(chunksOf(frames)).toBe(chunksOf(frames));
  expect(late.take()).toEqual([expect.anything(), ...frames]);
  // What the others were given has not changed.
  expect(namesOf(frames)).toEqual(['ADDED a', 'ADDED b']);
});

test('watchers that wait for the same frames are given the same, and those who wait for other ones their own', () => {
  const [one, other, late] = [makeStream(), makeStream(), makeStream()];
  // As those of the network are, whose frames are written together.
  for (const stream of [one, other, late]) stream.onReady(() => {});
  const told = [[added('a')], [added('b'), added('c')], [added('d')]];
  for (const [turn, events] of told.entries()) {
    for (const stream of turn === 0 ? [one, other] : [one, other, late]) stream.onEvents(events);
  }
  const frames = one.take();
  expect(namesOf(frames)).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'ADDED d']);
  expect(other.take()).toBe(frames);
  expect(late.take()).toEqual(frames.slice(1));
});

test('readers in this process, which share nothing that they wait for, are given all of it in order', async () => {
  const [one, other] = [makeStream(), makeStream()];
  for (const events of [[added('a')], [added('b'), added('c')], [added('d')]])
    for (const stream of [one, other]) stream.onEvents(events);
  for (const stream of [one, other]) {
    const { value } = await stream.next();
    expect(namesOf(value as readonly WatchFrame[])).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'ADDED d']);
  }
});

test('chunks are as HTTP wants them', () => {
  const frames = [objectFrame('ADDED', { metadata: { name: 'ü' } }), objectFrame('DELETED', { metadata: {} })];
  const lines = frames.map((frame) => Buffer.from(frame.bytes()));
  expect(Buffer.from(chunksOf(frames)).toString()).toBe(
    lines.map((line) => `${line.length.toString(16)}\r\n${line}\r\n`).join(''),
  );
});

test('a reader that is too many events behind is ended, after what waits for it', () => {
  const stream = makeStream();
  for (let i = 0; i < watcherBacklogMax; i++) stream.onEvents([added('a')]);
  expect(stream.isEnded).toBe(false);
  stream.onEvents([added('b')]);
  expect([stream.isEnded, stream.take().length]).toEqual([true, watcherBacklogMax]);
});

test('a reader that has not had its turn is given one before it is too far behind', () => {
  const stream = makeStream();
  const asked: boolean[] = [];
  let taken = 0;
  stream.onReady((atOnce) => {
    if (atOnce) taken += stream.take().length;
    if (asked.at(-1) !== atOnce) asked.push(atOnce);
  });
  for (let i = 0; i < watcherBacklogMax + 1; i++) stream.onEvents([added('a')]);
  expect([stream.isEnded, asked]).toEqual([false, [false, true, false]]);
  expect([taken, stream.take().length]).toEqual([watcherBacklogMax, 1]);
});

test('a reader that is too many bytes behind is ended', () => {
  const stream = makeStream();
  let events = 0;
  for (; !stream.isEnded && events < 100; events++) stream.onEvents([added('a', 1024 * 1024)]);
  expect(events).toBe(17);
});

test('what a watch begins with is no backlog, and neither is one large batch', () => {
  const stream = makeStream();
  stream.begin(Array.from({ length: watcherBacklogMax * 2 }, () => objectFrame('ADDED', { metadata: {} })));
  stream.onEvents([added('a')]);
  expect([stream.isEnded, stream.take().length]).toEqual([false, watcherBacklogMax * 2 + 1]);
  stream.onEvents(Array.from({ length: watcherBacklogMax * 2 }, () => added('b')));
  expect([stream.isEnded, stream.take().length]).toEqual([false, watcherBacklogMax * 2]);
});

test('an error is the last frame', async () => {
  const stream = makeStream();
  stream.onEvents([added('a')]);
  stream.onError(new Error('gone'));
  stream.onEvents([added('b')]);
  const frames: string[] = [];
  for await (const batch of stream) frames.push(...namesOf(batch));
  expect(frames).toEqual(['ADDED a', 'ERROR gone']);
});
