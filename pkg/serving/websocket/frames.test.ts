import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { encodeFrame, FrameReader, type WebSocketError } from './frames.ts';

interface Sent {
  readonly first: number;
  readonly payload?: string | Uint8Array;
  readonly isPlain?: boolean;
}

/** A frame as a client sends it. */
function frame({ first, payload = '', isPlain = false }: Sent): Buffer {
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  const short = length < 126 ? length : length < 65_536 ? 126 : 127;
  const extra = Buffer.alloc(short === 126 ? 2 : short === 127 ? 8 : 0);
  if (short === 126) extra.writeUInt16BE(length);
  if (short === 127) extra.writeBigUInt64BE(BigInt(length));
  const mask = isPlain ? Buffer.alloc(0) : Buffer.from([1, 2, 3, 4]);
  const masked = isPlain ? bytes : bytes.map((byte, i) => byte ^ mask[i & 3]!);
  return Buffer.concat([Buffer.from([first, short | (isPlain ? 0 : 0x80)]), extra, mask, masked]);
}

/** What a reader says of bytes that come in pieces of so many. */
function read(bytes: Uint8Array, pieceBytes = bytes.length, messageBytesMax = 100_000): string[] {
  const log: string[] = [];
  const reader = new FrameReader(
    {
      onMessage: (message) => log.push(`${message.isText ? 'text' : 'binary'} ${Buffer.from(message.bytes)}`),
      onPing: (payload) => log.push(`ping ${Buffer.from(payload)}`),
      onPong: () => log.push('pong'),
      onClose: (code, reason) => log.push(`close ${code} ${reason}`),
    },
    messageBytesMax,
  );
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.subarray(at, at + pieceBytes));
  } catch (error) {
    log.push(`${(error as WebSocketError).code} ${(error as WebSocketError).message}`);
  }
  return log;
}

const long = 'ü'.repeat(200);
const huge = 'x'.repeat(70_000);
const conversation = Buffer.concat([
  frame({ first: 0x81, payload: 'hello' }),
  frame({ first: 0x82, payload: '' }),
  frame({ first: 0x01, payload: 'in ' }),
  frame({ first: 0x89, payload: 'there?' }),
  frame({ first: 0x00, payload: 'three ' }),
  frame({ first: 0x8a }),
  frame({ first: 0x80, payload: 'parts' }),
  frame({ first: 0x81, payload: long }),
  frame({ first: 0x82, payload: huge }),
  frame({ first: 0x88, payload: Buffer.concat([Buffer.from([3, 232]), Buffer.from('bye')]) }),
]);

test.each([1, 2, 3, 7, 1_000, 1_000_000])('what comes in pieces of %i bytes is put together', (pieceBytes) => {
  expect(read(conversation, pieceBytes)).toEqual([
    'text hello',
    'binary ',
    'ping there?',
    'pong',
    'text in three parts',
    `text ${long}`,
    `binary ${huge}`,
    'close 1000 bye',
  ]);
});

const order = '1002 fragments of messages are out of order';
test.each<[what: string, frames: readonly Sent[], said: string]>([
  ['is not masked', [{ first: 0x81, payload: 'a', isPlain: true }], '1002 frames of clients are masked'],
  ['uses an extension', [{ first: 0xc1, payload: 'a' }], '1002 no extension was agreed on'],
  ['is of no known kind', [{ first: 0x83 }], '1002 unknown kind of frame'],
  ['is a control frame of no known kind', [{ first: 0x8b }], '1002 unknown kind of frame'],
  ['is a long ping', [{ first: 0x89, payload: 'a'.repeat(126) }], '1002 control frames are short and whole'],
  ['is a part of a ping', [{ first: 0x09 }], '1002 control frames are short and whole'],
  ['goes on with nothing', [{ first: 0x80 }], order],
  ['begins anew in the middle', [{ first: 0x01 }, { first: 0x81 }], order],
  ['is no text', [{ first: 0x81, payload: Uint8Array.of(0xc3, 0x28) }], '1007 text is UTF-8'],
  ['has half a close code', [{ first: 0x88, payload: 'a' }], '1002 half a close code'],
  [
    'has a close code of its own',
    [{ first: 0x88, payload: Uint8Array.of(3, 237) }],
    '1002 no close code that may be sent',
  ],
  ['is too long', [{ first: 0x82, payload: 'a'.repeat(101) }], '1009 messages have 100 bytes at most'],
  [
    'is too long in all',
    [
      { first: 0x02, payload: 'a'.repeat(60) },
      { first: 0x80, payload: 'a'.repeat(60) },
    ],
    '1009 messages have 100 bytes at most',
  ],
])('what %s is refused', (_what, frames, said) => {
  const bytes = Buffer.concat(frames.map(frame));
  for (const pieceBytes of [1, bytes.length]) expect(read(bytes, pieceBytes, 100)).toEqual([said]);
});

test('a close without a code has none', () => {
  expect(read(frame({ first: 0x88 }))).toEqual(['close 1005 ']);
});

test.each([
  [0, [0x82, 0]],
  [125, [0x82, 125]],
  [126, [0x82, 126, 0, 126]],
  [65_535, [0x82, 126, 255, 255]],
  [65_536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
])('a payload of %i bytes is sent behind its length', (length, head) => {
  const bytes = Buffer.concat(encodeFrame('binary', Buffer.alloc(length, 'x')));
  expect([...bytes.subarray(0, head.length)]).toEqual(head);
  expect(bytes.length).toBe(head.length + length);
});
