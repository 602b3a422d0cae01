/** The comparison says what was measured, and the picture what the comparison says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readChoice } from './choices.ts';
import { type Bench, type Crossing, crossingOf, exitsOf, measure, type Row, type Workload } from './compare.ts';
import { picture } from './compare-picture.ts';

const bench: Bench = {
  guest: (name) => readFileSync(join(import.meta.dirname, `../guests/${name}.elf`)),
  now: () => 0,
};

function measureBy(name: string, work: Workload): Row {
  const choice = readChoice(name);
  if (typeof choice === 'string') throw new Error(choice);
  return measure(bench, choice, work);
}

test('the ways have their classic order by exits on a workload of page tables', () => {
  const work = { updates: 2048, touches: 64, spread: 2048, syscalls: 0 };
  const [hardware, paravirtual, translate, trap] = (['hardware', 'paravirtual', 'translate', 'trap'] as const).map(
    (way) => measureBy(way, work),
  );
  const updates = [hardware, paravirtual].map((row) => row?.counters.exits['traced-write']);
  expect(updates).toEqual([0, 0]);
  expect(trap?.counters.exits['traced-write']).toBeGreaterThanOrEqual(2048);
  // The same stores, done by the code that was made for them, and noted.
  expect(translate?.counters.storesLogged).toBeGreaterThan(2000);
  expect(translate?.counters.exits['call-out']).toBeLessThan(40);
  expect(paravirtual?.counters.exits.hypercall).toBeLessThan(60);
  for (const row of [hardware, paravirtual, translate, trap]) expect(row?.outcome).toEqual({ reason: 'off', code: 0 });
});

test('shadow tables cost exits and save references', () => {
  const work = { updates: 600, touches: 2400, spread: 600, syscalls: 0 };
  const shadow = measureBy('trap', work).counters;
  const nested = measureBy('hardware', work).counters;
  expect(exitsOf(shadow)).toBeGreaterThan(exitsOf(nested) + 1200);
  expect(nested.walkReferences / nested.pageWalks).toBeGreaterThan(12);
  expect(shadow.walkReferences / shadow.pageWalks).toBeLessThanOrEqual(3);
});

const side = (milliseconds: number) => ({ milliseconds, references: 0, exits: 0 });
const points: readonly Crossing[] = [
  { touchesPerUpdate: 1, shadow: side(10), nested: side(5), filled: side(8) },
  { touchesPerUpdate: 4, shadow: side(12), nested: side(11), filled: side(8) },
  { touchesPerUpdate: 16, shadow: side(20), nested: side(40), filled: side(8) },
];

test('the crossing is between the last point where nested tables are quicker and the next', () => {
  const byTime = ({ milliseconds }: Crossing['shadow']): number => milliseconds;
  expect(crossingOf(points, byTime)).toEqual([4, 16]);
  expect(crossingOf(points.slice(0, 2), byTime)).toBeUndefined();
});

test('the picture has each way with its exits, and all curves', () => {
  const row = measureBy('trap', { updates: 10, touches: 0, spread: 1, syscalls: 0 });
  const svg = picture([row], points);
  expect(svg).toContain(`>${exitsOf(row.counters).toLocaleString('en')} exits<`);
  expect(svg.match(/<polyline/g)).toHaveLength(3);
  expect(svg).not.toContain('NaN');
  expect(svg).toContain('they change places');
  expect(picture([row], points.slice(0, 2))).not.toContain('they change places');
});

test('each choice is another run of the same work, and comes to the same', () => {
  const work = { updates: 600, touches: 700, spread: 600, syscalls: 3 };
  const native = measureBy('native', work);
  for (const name of ['trap/software', 'hybrid/software/passthrough', 'trap/bare']) {
    const row = measureBy(name, work);
    expect({ name, outcome: row.outcome, console: row.console }).toEqual({
      name: row.name,
      outcome: native.outcome,
      console: native.console,
    });
  }
  const writable = measureBy('paravirtual/writable', work);
  expect(writable.console).toBe(measureBy('paravirtual', work).console);
  expect(writable.counters.exits['table-opened']).toBe(2);
  // The hart runs the monitor as well as the guest, and a kernel in mode U is left more often than none.
  const bare = measureBy('trap/bare', work);
  expect(bare.counters.instructions).toBeGreaterThan(2 * native.counters.instructions);
  expect(exitsOf(bare.counters)).toBeGreaterThan(600);
});

test('a device is compared by what it costs to use it', () => {
  const none = { updates: 1, touches: 0, spread: 1, syscalls: 0 };
  const work = { ...none, use: { device: 'console', count: 3000 } } as const;
  const exits = ['trap', 'trap/split', 'hardware/split', 'trap/passthrough', 'paravirtual'].map((name) => {
    const { counters, console } = measureBy(name, work);
    expect(console).toHaveLength(3000);
    return counters.exits.device + counters.exits.hypercall;
  });
  // The ring's page, one that is full, what is left, and the end.
  expect(exits).toEqual([3001, 4, 4, 0, 4]);
  for (const device of ['disk', 'net'] as const) {
    const rows = ['hardware', 'hardware/split', 'hardware/passthrough'].map((name) =>
      measureBy(name, { ...none, use: { device, count: 50 } }),
    );
    for (const { counters } of rows) expect(counters.moved[device]).toBe(100);
    const [emulated = 0, split = 0, passed = 0] = rows.map(({ counters }) => exitsOf(counters));
    expect(emulated).toBeGreaterThan(100 * split);
    expect(split).toBeGreaterThan(passed);
  }
});

test.each([
  ['popek', 'there is no way "popek": the ways are native, hardware, paravirtual, translate, hybrid, trap'],
  ['trap/fast', 'there is no choice "fast": they are software, writable, passthrough, split, bare'],
  [
    'hardware/software',
    'a translation buffer that the monitor fills (software) is for trap, translate, hybrid, not for hardware',
  ],
  ['trap/split/passthrough', 'devices are split or passed through, not both: trap/split/passthrough'],
  ['trap/bare/software', 'a monitor without a host has no other choices: trap/bare/software'],
])('%s is refused', (name, line) => {
  expect(readChoice(name)).toBe(line);
});
