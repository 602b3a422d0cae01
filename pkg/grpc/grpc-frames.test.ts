import { expect, test } from 'vitest';
import { FrameReader, frameHead } from './grpc-frames.ts';

const message = (text: string): Buffer => Buffer.concat([frameHead(text.length), Buffer.from(text)]);

test('messages are put together however the stream is cut', () => {
  const stream = Buffer.concat(['', 'a', 'bcd', 'x'.repeat(300)].map(message));
  for (const size of [1, 2, 3, 4, 5, 6, 7, 100, stream.length]) {
    const reader = new FrameReader();
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size)
      for (const whole of reader.push(stream.subarray(at, at + size))) found.push(whole.toString());
    expect(found).toEqual(['', 'a', 'bcd', 'x'.repeat(300)]);
  }
});

test.each([
  ['a compressed message', Buffer.from([1, 0, 0, 0, 1, 0])],
  ['one of four gigabytes', Buffer.from([0, 255, 255, 255, 255])],
])('%s is refused before it is read', (_, bytes) => {
  expect(() => new FrameReader().push(bytes)).toThrow('Cannot read a message of');
});
