import { expect, test } from 'vitest';
import { contentOf, type Frame, FrameSplitter, frameFlags, frameTypes, headOf } from './frames.ts';

function whole(frame: Frame): Buffer {
  return Buffer.concat([headOf(frame, frame.payload.length), frame.payload]);
}

const data = (text: string, stream = 1): Frame => ({
  type: frameTypes.data,
  flags: 0,
  stream,
  payload: Buffer.from(text),
});

test('frames are told apart however what comes is cut', () => {
  const frames = [data(''), data('a', 3), data('x'.repeat(16_384), 0x7fff_ffff), data('b')];
  const bytes = Buffer.concat(frames.map(whole));
  for (const size of [1, 2, 7, 9, 10, 1_000, bytes.length]) {
    const found: Frame[] = [];
    const splitter = new FrameSplitter((frame) => found.push({ ...frame, payload: Buffer.from(frame.payload) }));
    for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
    expect(found).toEqual(frames);
  }
});

test('a frame that is longer than was agreed ends the reading', () => {
  const head = headOf(data(''), 16_385);
  expect(() => new FrameSplitter(() => {}).push(head)).toThrow('the server does not speak HTTP/2');
});

test('what only fills a frame up, or says how urgent it is, is no content', () => {
  const payload = Buffer.from([2, 0, 0, 0, 1, 5, 97, 98, 0, 0]);
  const frame = { type: frameTypes.headers, stream: 1, payload };
  expect(contentOf({ ...frame, flags: frameFlags.padded | frameFlags.priority }).toString()).toBe('ab');
  expect(contentOf({ ...frame, flags: 0 })).toEqual(payload);
  expect(() => contentOf({ ...frame, flags: frameFlags.padded, payload: Buffer.from([9, 0]) })).toThrow('too short');
});
