import { expect, test } from 'vitest';
import { svgOf } from '../picture.ts';
import { dirtyRate, type MigrationReport, migrationPicture } from './report-picture.ts';

const round = { round: 0, pages: 120, bytes: 40_960, durationMs: 20, dirtied: 8 };
const report: MigrationReport = {
  title: 'store <1>: hybrid from n1 to n2',
  rounds: [round, { round: 1, pages: 8, bytes: 1000, durationMs: 0, dirtied: 0 }],
  classes: [
    { name: 'dictionary', pages: 20, rawBytes: 81_920, sentBytes: 9000, cpuMs: 1.25 },
    { name: 'plain', pages: 0, rawBytes: 0, sentBytes: 0, cpuMs: 0 },
  ],
  downtimeMs: 12.34,
  faults: 3,
  prePaged: 16,
  pushed: 40,
};

/** Words of a picture, in order. */
const words = (picture: string): readonly string[] =>
  [...picture.matchAll(/>([^<>\n]+)<\/text>/g)].map((m) => m[1] ?? '');

test('a picture says what is known of rounds, classes and pages that came later', () => {
  expect(words(svgOf(migrationPicture(report)))).toEqual([
    'store &#60;1&#62;: hybrid from n1 to n2',
    'It stood still for: 12.3 ms',
    'Pages sent in each round, and pages written meanwhile',
    ...['round 0', '120 pages, 40 KiB in 20 ms', '8 written, 400 a second'],
    ...['round 1', '8 pages, 1.0 KiB in 0 ms', '0 written, 0 a second'],
    'Pages by what they are: bytes, and what was sent for them',
    ...['dictionary', '20 pages, 80 KiB', '8.8 KiB sent, 1.3 ms of processor'],
    'Pages after the machine arrived, by how they came',
    ...['faults', '3', 'pre-paged', '16', 'pushed', '40'],
  ]);
});

test('what is not known is left out', () => {
  const none = { ...report, rounds: [], classes: [], downtimeMs: undefined, faults: 0, prePaged: 0, pushed: 0 };
  expect(words(svgOf(migrationPicture(none)))).toEqual([
    'store &#60;1&#62;: hybrid from n1 to n2',
    'It stood still for: not known',
  ]);
});

test('the longest bar is as long as the plot, and nothing is drawn beyond the picture', () => {
  const picture = svgOf(migrationPicture(report));
  const lengths = [...picture.matchAll(/<rect x="150" y="(\d+)" width="([\d.]+)"/g)].map((m) => [
    Number(m[1]),
    Number(m[2]),
  ]);
  const height = Number(/height="(\d+)"/.exec(picture)?.[1]);
  expect(Math.max(...lengths.map(([, length]) => length ?? 0))).toBe(430);
  expect(lengths.every(([y]) => (y ?? 0) < height)).toBe(true);
  expect(dirtyRate(round)).toBe(400);
});
