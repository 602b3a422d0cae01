/** Guests that look for their monitor, rewrite their own code, and ask for what is not theirs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Io, Paging, TraceEvent, Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { recount } from './recount.ts';

const MEMORY = 1 << 20;
const monitored = ['trap', 'translate', 'hybrid', 'hardware'] as const;
const filled = ['trap', 'translate', 'hybrid'] as const;

function run(
  name: string,
  way: Way,
  {
    parameters = [],
    io = 'emulated',
    paging = 'shadow',
    instructions = 2_000_000,
  }: { parameters?: readonly number[]; io?: Io; paging?: Paging; instructions?: number } = {},
) {
  const trace: TraceEvent[] = [];
  const guest = readFileSync(join(import.meta.dirname, `../guests/probe/${name}.elf`));
  const monitor = createMonitor({
    way,
    io,
    paging,
    guest,
    memory: MEMORY,
    parameters,
    trace: (event) => trace.push(event),
  });
  const outcome = monitor.run(instructions);
  expect(monitor.counters).toMatchObject(recount(trace, way));
  return { outcome, lines: monitor.console.split('\n'), counters: monitor.counters, memory: monitor.memory() };
}

test.each(monitored)('a guest that looks for its monitor finds under %s what it finds on the bare machine', (way) => {
  const expected = run('seek', 'native');
  expect(expected.outcome).toEqual({ reason: 'off', code: 0 });
  // It has looked at eleven registers and tried instructions of all sorts, some of which trap.
  expect(expected.lines.length).toBeGreaterThan(50);
  expect(expected.lines).toContain('program: sret trap 2 value 10200073');
  const { outcome, lines } = run('seek', way);
  // The last page of all addresses is the monitor's while translated code runs, and cannot be hidden from it.
  const last = 'li a0, -8; ld a1, 0(a0)';
  const isLast = (line: string): boolean => line.startsWith(last);
  expect({ outcome, lines: lines.filter((line) => !isLast(line)) }).toEqual({
    outcome: expected.outcome,
    lines: expected.lines.filter((line) => !isLast(line)),
  });
  const fault = `${last} trap 5 value fffffffffffffff8`;
  expect(lines.filter(isLast)).toEqual([way === 'translate' ? `${last} done` : fault]);
  expect(expected.lines).toContain(fault);
});

test.each(monitored)('a guest that rewrites its own code runs under %s what it wrote, fenced or not', (way) => {
  for (const fences of [0, 1]) {
    const { outcome, lines, counters, memory } = run('rewrite', way, { parameters: [fences, 20] });
    expect(outcome).toEqual({ reason: 'off', code: 0 });
    const written = Array.from({ length: 20 }, (_, index) => (index + 1).toString(16));
    expect(lines).toEqual([...written.map((value) => `called ${value} ahead ${value}`), '']);
    expect(Buffer.compare(memory, run('rewrite', 'native', { parameters: [fences, 20] }).memory)).toBe(0);
    // Each store to what was translated has it forgotten.
    if (way === 'translate') expect(counters.cacheFlushes).toBeGreaterThanOrEqual(20);
  }
});

test.each(monitored)(
  'a guest that changes its tables in every way finds under %s what it mapped after each fence',
  (way) => {
    const expected = run('remap', 'native');
    expect(expected.outcome).toEqual({ reason: 'off', code: 0 });
    expect(expected.lines).toContain('li a0, 0x401f4000; sd zero, 40(a0) trap f value 401f4028');
    const pagings: readonly Paging[] = way === 'hardware' ? ['shadow'] : ['shadow', 'software'];
    for (const paging of pagings) {
      const { outcome, lines, counters, memory } = run('remap', way, { paging });
      expect({ outcome, lines }).toEqual({ outcome: expected.outcome, lines: expected.lines });
      expect(Buffer.compare(memory, expected.memory)).toBe(0);
      // Most of its stores are done without an exit, and the log was full twice at one place.
      const { storesLogged, exits } = counters;
      expect(storesLogged > 1500).toBe(way === 'translate' && paging === 'shadow');
      expect(exits['log-full']).toBe(way === 'translate' && paging === 'shadow' ? 2 : 0);
    }
  },
);

test('a guest that writes over the log of its translated code is contained', () => {
  for (let seed = 1; seed <= 16; seed++) {
    const { outcome, counters } = run('remap', 'translate', { parameters: [seed], instructions: 20_000 });
    expect(outcome.reason).toBe('budget');
    expect(counters.storesLogged).toBeGreaterThan(0);
  }
});

test.each(filled)('both do so under %s where the monitor fills the translation buffer', (way) => {
  const last = 'li a0, -8; ld a1, 0(a0)';
  const others = (lines: readonly string[]): readonly string[] => lines.filter((line) => !line.startsWith(last));
  const sought = run('seek', way, { paging: 'software' });
  expect(sought.outcome).toEqual({ reason: 'off', code: 0 });
  expect(others(sought.lines)).toEqual(others(run('seek', 'native').lines));
  for (const fences of [0, 1]) {
    const expected = run('rewrite', 'native', { parameters: [fences, 20] });
    const { outcome, lines, memory } = run('rewrite', way, { parameters: [fences, 20], paging: 'software' });
    expect({ outcome, lines }).toEqual({ outcome: expected.outcome, lines: expected.lines });
    expect(Buffer.compare(memory, expected.memory)).toBe(0);
  }
});

test('a ported kernel that asks for memory of others is refused each time, and goes on', () => {
  const { outcome, lines, counters } = run('greedy', 'paravirtual', { parameters: [MEMORY], io: 'split' });
  expect(outcome).toEqual({ reason: 'off', code: 0 });
  expect(lines).toEqual([
    'the page before its memory: refused',
    'the page after its memory: refused',
    "the monitor's first page: refused",
    'the serial port: refused',
    'a page beyond all memory: refused',
    'all of memory as one page: refused',
    "an entry of the monitor's: refused",
    'its own page to be read only: done',
    'a table that has such an entry: refused',
    "a table in the monitor's memory: refused",
    "roots in the monitor's memory: refused",
    "a program's root there: refused",
    'a list there: refused',
    'a list across pages: refused',
    'a program without tables: refused',
    'a call that there is not: refused',
    'a load of it: page fault',
    'a store to it: page fault',
    'a ring there: refused',
    'a sector into a table: refused',
    'a sector from a table: done',
    'a sector into memory that is not mapped: refused',
    'a sector into its own page: done',
    'a frame from there, and one into a table: refused',
    'a device that there is not: refused',
    '',
  ]);
  expect(counters.exits.reflected).toBe(2);
});

const odd = [
  [0, 'takes a pointer to a table away by one bit'],
  [1, 'stores half of a word into a table'],
  [2, 'stores to a table by a long run of code'],
  [3, 'looks at its memory in more ways than can be kept'],
  [4, 'jumps to where it has mapped nothing'],
  [5, 'maps a device, closes it and takes it away'],
] as const;

test.each(odd.flatMap(([what, name]) => monitored.map((way) => [name, way, what] as const)))(
  'a guest that %s finds under %s what it finds on the bare machine',
  (_, way, what) => {
    for (const paged of [0, 1]) {
      if (paged === 0 && what !== 3 && what !== 4) continue;
      const expected = run('odd', 'native', { parameters: [what, paged] });
      for (const io of what === 5 ? (['emulated', 'passthrough'] as const) : (['emulated'] as const)) {
        const { outcome, lines } = run('odd', way, { parameters: [what, paged], io });
        expect({ outcome, lines }).toEqual({ outcome: expected.outcome, lines: expected.lines });
      }
    }
  },
);

test.each(monitored)('tables that are written by chance lead under %s where they lead on the bare machine', (way) => {
  const parameters = [2, 192];
  const expected = run('chance', 'native', { parameters });
  expect(expected.outcome).toEqual({ reason: 'off', code: 0 });
  const { outcome, lines, memory } = run('chance', way, { parameters, instructions: 6_000_000 });
  expect({ outcome, lines }).toEqual({ outcome: expected.outcome, lines: expected.lines });
  expect(Buffer.compare(memory, expected.memory)).toBe(0);
});
