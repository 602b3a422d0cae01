import { expect, test } from 'vitest';
import { LogBuffer } from './log-buffer.ts';
import type { LogOptions } from './runtime.ts';

async function linesOf(buffer: LogBuffer, options: LogOptions = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text, partial } of buffer.read(options)) lines.push(partial ? `${text}~` : text);
  return lines;
}

test('output is cut at newlines, and what has none is kept until the end', async () => {
  const buffer = new LogBuffer();
  buffer.write('stdout', 'one\ntw', 1);
  buffer.write('stderr', 'error\n', 2);
  buffer.write('stdout', 'o\nthree', 3);
  expect(await linesOf(buffer)).toEqual(['one', 'error', 'two']);
  buffer.end(4);
  expect(await linesOf(buffer)).toEqual(['one', 'error', 'two', 'three~']);
  expect(await linesOf(buffer, { tailLines: 2 })).toEqual(['two', 'three~']);
  expect(await linesOf(buffer, { sinceMs: 2 })).toEqual(['error', 'two', 'three~']);
  expect(await linesOf(buffer, { tailLines: 0 })).toEqual([]);
});

test('a long line is kept in pieces that make the same line again', async () => {
  const buffer = new LogBuffer();
  const text = 'x'.repeat(40_000);
  buffer.write('stdout', `${text}\nnext\n`, 1);
  const lines = await linesOf(buffer);
  expect(lines.map((line) => line.length)).toEqual([16_385, 16_385, 7_232, 4]);
  expect(lines.slice(0, 3).join('').replaceAll('~', '')).toBe(text);
});

test('the oldest lines go when there is too much, empty ones too', async () => {
  const buffer = new LogBuffer({ bytesMax: 1_000 });
  for (let line = 0; line < 10_000; line++) buffer.write('stdout', line % 2 === 0 ? '\n' : `${line}\n`, line);
  const lines = await linesOf(buffer);
  expect([lines.length < 20, lines.at(-1)]).toEqual([true, '9999']);
});

test('a million empty lines are taken as fast as they come, and a reader that follows goes on with what is kept (fault 53)', async () => {
  const buffer = new LogBuffer();
  const following = buffer.read({ follow: true });
  buffer.write('stdout', 'first\n', 1);
  expect((await following.next()).value).toMatchObject({ text: 'first' });
  for (let chunk = 0; chunk < 16; chunk++) buffer.write('stdout', '\n'.repeat(65_536), 2);
  buffer.write('stdout', 'last\n', 3);
  buffer.end(4);
  const rest: string[] = [];
  for await (const { text } of following) rest.push(text);
  expect([rest.length, rest.at(-1), rest.length]).toEqual([(await linesOf(buffer)).length, 'last', 16_383]);
  expect(await linesOf(buffer, { tailLines: 1 })).toEqual(['last']);
  expect(await linesOf(buffer, { sinceMs: 3 })).toEqual(['last']);
});
