import { inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { letterRows } from './letters.ts';
import { bar, type Shape, text } from './picture.ts';
import { dotsPerPixel, pngOf } from './picture-png.ts';

/** Chunks of a file by their types. */
function chunksOf(file: Buffer): ReadonlyMap<string, Buffer> {
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    chunks.set(file.toString('latin1', at + 4, at + 8), file.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return chunks;
}

/** The colour of a dot of a picture of 20 by 10 pixels. */
function dotsOf(...shapes: readonly Shape[]): (x: number, y: number) => string {
  const chunks = chunksOf(pngOf({ width: 20, height: 10, shapes }));
  const lines = inflateSync(chunks.get('IDAT')!);
  return (x, y) => lines.toString('hex', y * (20 * 6 + 1) + 1 + x * 3, y * (20 * 6 + 1) + 4 + x * 3);
}

test('a file says its size in dots, and has a line of dots for each of its height', () => {
  const file = pngOf({ width: 20, height: 10, shapes: [] });
  expect(file.toString('latin1', 1, 4)).toBe('PNG');
  const chunks = chunksOf(file);
  expect([...chunks.keys()]).toEqual(['IHDR', 'IDAT', 'IEND']);
  const head = chunks.get('IHDR')!;
  expect([head.readUInt32BE(0), head.readUInt32BE(4)]).toEqual([20 * dotsPerPixel, 10 * dotsPerPixel]);
  expect(inflateSync(chunks.get('IDAT')!).length).toBe(20 * (40 * 3 + 1));
});

test('boxes are where they are said to be, with their edges, and nothing is drawn beyond the picture', () => {
  const filled = dotsOf(bar({ x: 2, y: 1 }, { length: 3.5, height: 2, fill: '#3b6ea5' }));
  expect([filled(3, 2), filled(4, 2), filled(10, 5), filled(11, 5), filled(10, 6)]).toEqual([
    ...['ffffff', '3b6ea5', '3b6ea5', 'ffffff', 'ffffff'],
  ]);
  const edged = dotsOf({ kind: 'box', x: 2, y: 2, width: 4, height: 3, fill: '#fed', stroke: '#000' });
  expect([edged(2, 4), edged(3, 4), edged(4, 4), edged(5, 6), edged(12, 6)]).toEqual([
    ...['ffffff', '000000', '000000', 'ffeedd', '000000'],
  ]);
  const beyond = dotsOf(bar({ x: -5, y: -5 }, { length: 100, height: 100, fill: '#010203' }));
  expect([beyond(0, 0), beyond(39, 19)]).toEqual(['010203', '010203']);
});

test('words stand on their line, and end or are centred where they are to', () => {
  const stands = dotsOf(text(1, 9, 'L'));
  // The left stroke of an L is seven dots of two, and its foot lies on the line.
  expect([stands(2, 4), stands(2, 17), stands(10, 17), stands(10, 15), stands(2, 18), stands(2, 3)]).toEqual([
    ...['000000', '000000', '000000', 'ffffff', 'ffffff', 'ffffff'],
  ]);
  const ends = dotsOf(text(10, 9, 'LL', { anchor: 'end' }));
  expect([ends(19, 17), ends(20, 17)]).toEqual(['000000', 'ffffff']);
  const centred = dotsOf(text(10, 9, 'L', { anchor: 'middle' }));
  expect([centred(14, 17), centred(15, 17), centred(24, 17), centred(25, 17)]).toEqual([
    ...['ffffff', '000000', '000000', 'ffffff'],
  ]);
});

test('every sign that can be typed has letters of its own but for space, and others have one together', () => {
  const signs = Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at));
  const drawn = signs.map((sign) => letterRows(sign).join());
  expect(drawn[0]).toBe('0,0,0,0,0,0,0');
  expect(new Set(drawn).size).toBe(signs.length);
  expect(letterRows('é')).toEqual(letterRows('字'));
  expect(drawn).not.toContain(letterRows('é').join());
});

test('a colour that is none is refused', () => {
  expect(() => dotsOf(bar({ x: 0, y: 0 }, { length: 1, height: 1, fill: 'blue' }))).toThrow(
    'Cannot draw in the colour "blue"',
  );
});
