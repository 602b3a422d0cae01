/** The comparison says what was measured, and the picture what the comparison says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Crossing, crossingOf, exitsOf, measure } from './compare.ts';
import { picture } from './compare-picture.ts';

const guests = join(import.meta.dirname, '../guests/pages');
const bench = {
  guest: readFileSync(join(guests, 'pages.elf')),
  ported: readFileSync(join(guests, 'ported.elf')),
  now: () => 0,
};

test('the ways have their classic order by exits on a workload of page tables', () => {
  const work = { updates: 2048, touches: 64, spread: 2048, syscalls: 0 };
  const [hardware, paravirtual, translate, trap] = (['hardware', 'paravirtual', 'translate', 'trap'] as const).map(
    (way) => measure(bench, way, work),
  );
  const updates = [hardware, paravirtual].map((row) => row?.counters.exits['traced-write']);
  expect(updates).toEqual([0, 0]);
  expect(trap?.counters.exits['traced-write']).toBeGreaterThanOrEqual(2048);
  // The same stores, asked for and not faulted for.
  expect(translate?.counters.exits['traced-write']).toBeLessThan(20);
  expect(translate?.counters.exits['call-out']).toBeGreaterThan(2000);
  expect(paravirtual?.counters.exits.hypercall).toBeLessThan(60);
  for (const row of [hardware, paravirtual, translate, trap]) expect(row?.outcome).toEqual({ reason: 'off', code: 0 });
});

test('shadow tables cost exits and save references', () => {
  const work = { updates: 600, touches: 2400, spread: 600, syscalls: 0 };
  const shadow = measure(bench, 'trap', work).counters;
  const nested = measure(bench, 'hardware', work).counters;
  expect(exitsOf(shadow)).toBeGreaterThan(exitsOf(nested) + 1200);
  expect(nested.walkReferences / nested.pageWalks).toBeGreaterThan(12);
  expect(shadow.walkReferences / shadow.pageWalks).toBeLessThanOrEqual(3);
});

const side = (milliseconds: number) => ({ milliseconds, references: 0, exits: 0 });
const points: readonly Crossing[] = [
  { touchesPerUpdate: 1, shadow: side(10), nested: side(5) },
  { touchesPerUpdate: 4, shadow: side(12), nested: side(11) },
  { touchesPerUpdate: 16, shadow: side(20), nested: side(40) },
];

test('the crossing is between the last point where nested tables are quicker and the next', () => {
  const byTime = ({ milliseconds }: Crossing['shadow']): number => milliseconds;
  expect(crossingOf(points, byTime)).toEqual([4, 16]);
  expect(crossingOf(points.slice(0, 2), byTime)).toBeUndefined();
});

test('the picture has each way with its exits, and both curves', () => {
  const row = measure(bench, 'trap', { updates: 10, touches: 0, spread: 1, syscalls: 0 });
  const svg = picture([row], points);
  expect(svg).toContain(`>${exitsOf(row.counters).toLocaleString('en')} exits<`);
  expect(svg.match(/<polyline/g)).toHaveLength(2);
  expect(svg).not.toContain('NaN');
});
