import { expect, test } from 'vitest';
import { WireError } from '#pkg/apimachinery/protobuf/wire.ts';
import { FrameReader } from './grpc-frames.ts';
import { Fields, framed, MessageWriter } from './message.ts';

/** What is read again of what was written. */
function written(write: (message: MessageWriter) => void): Fields {
  const [message] = new FrameReader().push(Buffer.from(framed(write)));
  return new Fields(message ?? Buffer.alloc(0));
}

test('what is written is read again, in its order', () => {
  const fields = written((message) => {
    message.string(1, 'häuser');
    message.strings(2, ['b', '', 'a']);
    message.number(3, 2 ** 40);
    message.flag(4, true);
    message.message(5, () => message.number(1, 7));
    message.messages(6, ['x', 'y'], (text) => message.string(1, text));
    message.wrapped(7, 0);
    message.map(8, [
      ['b', '2'],
      ['a', '1'],
    ]);
    message.number(9, -1);
  });
  expect(fields.string(1)).toBe('häuser');
  expect(fields.strings(2)).toEqual(['b', '', 'a']);
  expect([fields.number(3), fields.flag(4), fields.message(5).number(1)]).toEqual([2 ** 40, true, 7]);
  expect(fields.messages(6).map((one) => one.string(1))).toEqual(['x', 'y']);
  expect([fields.has(7), fields.message(7).number(1)]).toEqual([true, 0]);
  expect([...fields.map(8)].map(([name, value]) => [name, value.toString()])).toEqual([
    ['a', '1'],
    ['b', '2'],
  ]);
  expect(fields.number(9)).toBe(-1);
});

test('what is zero is not written, and what is absent is zero', () => {
  const message = new MessageWriter();
  message.string(1, '');
  message.string(2, undefined);
  message.number(3, 0);
  message.flag(4, false);
  message.packed(5, []);
  message.wrapped(6, undefined);
  expect(message.finish()).toHaveLength(0);
  const fields = new Fields(Buffer.alloc(0));
  expect([fields.string(1), fields.number(2), fields.flag(3), fields.has(4), fields.all(5)]).toEqual([
    '',
    0,
    false,
    false,
    [],
  ]);
});

test('an integer is read whatever its size', () => {
  // A time in nanoseconds, which no double holds.
  expect(new Fields(Buffer.from('08959ab7dc9b92f5d918', 'hex')).integer(1)).toBe(1_780_000_000_123_456_789n);
});

test.each(['0a05', '08', '08ffffffffffffffffffff01', '0f'])('what is no message is refused: %s', (hex) => {
  expect(() => new Fields(Buffer.from(hex, 'hex'))).toThrow(WireError);
});
