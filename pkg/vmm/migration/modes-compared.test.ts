import { expect, test } from 'vitest';
import { svgOf } from '../picture.ts';
import { modeCells, modesHead, modesPicture } from './modes-compared.ts';

const preCopy = {
  ...{ mode: 'pre-copy', totalMs: 812.4, downtimeMs: 14.2, sentBytes: 3_000_000, pages: 740, rounds: 4 },
  ...{ faults: 0, cpuMs: 31.25 },
};
const cold = { ...preCopy, mode: 'cold', downtimeMs: undefined, sentBytes: 4000, pages: 0, rounds: 0, cpuMs: 0 };

test('a move is a row, and what is not known is left out', () => {
  expect(modeCells(preCopy)).toEqual(['pre-copy', '812 ms', '14.2 ms', '2.9 MiB', '740', '4', '0', '31.3 ms']);
  expect(modeCells(cold)).toEqual(['cold', '812 ms', '', '4 KiB', '0', '0', '0', '0.0 ms']);
  expect(modeCells(cold)).toHaveLength(modesHead.length);
});

test('moves are drawn beside each other by what textbooks compare, within the picture', () => {
  const { shapes, height } = modesPicture('one machine', [preCopy, cold]);
  const words = shapes.flatMap((shape) => (shape.kind === 'words' ? [shape.words] : []));
  expect(words).toEqual([
    'one machine',
    ...['From the beginning until nothing more is sent', 'pre-copy', '812 ms', 'cold', '812 ms'],
    ...['Time for which it stands still', 'pre-copy', '14.2 ms', 'cold', 'not known'],
    ...['What is sent', 'pre-copy', '2.9 MiB, 740 pages', 'cold', '4 KiB, 0 pages'],
    ...['Pages that it waits for after it has arrived', 'pre-copy', '0', 'cold', '0'],
  ]);
  expect(Math.max(...shapes.map(({ y }) => y))).toBeLessThan(height);
  expect(svgOf({ width: 760, height, shapes })).toContain('>14.2 ms</text>');
});
