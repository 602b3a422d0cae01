/** Popek and Goldberg's second theorem: monitors within each other, each a program that the hart runs, and what each level costs the one outside of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TraceEvent, Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { costs, exitsOfLevel, type Nested, ofKind, runNested } from './nested.ts';

const guestAt = (name: string): Uint8Array => readFileSync(join(import.meta.dirname, `../guests/${name}.elf`));
const MEMORY = 4 << 20;
const parameters = [12, 16, 12, 2];
const ways = ['native', 'trap', 'translate', 'hybrid', 'hardware'] as const;

function bare(way: Way = 'native', userStatus: 'trapped' | 'shown' = 'trapped') {
  const monitor = createMonitor({
    ...{ way, io: 'emulated', guest: guestAt('pages/pages'), memory: MEMORY, parameters, userStatus },
  });
  const outcome = monitor.run(5_000_000);
  return { outcome, console: monitor.console, memory: monitor.memory() };
}

function expectSame(nested: Nested, expected: ReturnType<typeof bare>): void {
  expect({ outcome: nested.outcome, console: nested.console }).toEqual({
    outcome: expected.outcome,
    console: expected.console,
  });
  expect(Buffer.compare(nested.memory(MEMORY), expected.memory)).toBe(0);
}

test.each(ways)('a guest of a monitor that runs under %s is as on the bare machine, to the last byte', (way) => {
  const nested = runNested({ way, guest: guestAt('nested/one'), memory: 2 * MEMORY, parameters });
  expectSame(nested, bare());
  expect(nested.levels.map(({ level }) => level)).toEqual(way === 'native' ? [1] : [1, 2]);
});

test('the monitor runs itself, on the bare machine and two deep under another', () => {
  for (const way of ['native', 'trap'] as const) {
    const nested = runNested({ way, guest: guestAt('nested/two'), memory: 4 * MEMORY, parameters });
    expectSame(nested, bare());
    const exits = nested.levels.map(exitsOfLevel);
    expect(exits).toHaveLength(way === 'native' ? 2 : 3);
    // Each level is left several times for each time that the one within it is.
    for (const [index, count] of exits.entries()) {
      if (index > 0) expect(exits[index - 1]).toBeGreaterThan(5 * count);
    }
  }
});

test.each(['trap', 'translate'] as const)(
  'a full trace of %s gives the counts of the monitor within it, and what each of its exits cost',
  (way) => {
    const events: TraceEvent[] = [];
    const { levels } = runNested({
      ...{ way, guest: guestAt('nested/one'), memory: 2 * MEMORY, parameters },
      trace: (event) => events.push(event),
    });
    const inner = levels.find(({ level }) => level === 2);
    const found = costs(events, way);
    const counted = Object.fromEntries(Object.entries(found).map(([kind, { exits }]) => [kind, exits]));
    expect(counted).toEqual(ofKind(inner?.exits ?? {}));
    // One for the trap itself; three to exchange registers with the guest, three to learn what it was, one to say where the guest goes on, one to go there.
    // A few more are for pages of the inner monitor's own that the outer one had not mapped yet.
    if (way === 'trap') expect(Math.floor(found.register.outer / found.register.exits)).toBe(9);
    for (const { exits, outer } of Object.values(found))
      expect(outer).toBeGreaterThanOrEqual((way === 'trap' ? 9 : 2) * exits);
  },
);

test('on a hart that has sensitive instructions that do not trap the inner monitor fails, whatever is outside of it', () => {
  const expected = bare('native', 'shown');
  expect(expected.console).toContain('status 1\n');
  for (const way of ['native', 'hybrid', 'hardware'] as const) {
    const nested = runNested({
      way,
      guest: guestAt('nested/one'),
      memory: 2 * MEMORY,
      parameters,
      userStatus: 'shown',
    });
    expect(nested.console).toBe(expected.console.replace('status 1', 'status 0'));
  }
});
