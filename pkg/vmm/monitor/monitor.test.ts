/** The laws of monitors, for each way, with a guest that writes page tables, touches what they map, and runs a program. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exitsOf } from './compare.ts';
import type { MonitorConfig, MonitorCounters, TraceEvent, Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { recount } from './recount.ts';

const guest = readFileSync(join(import.meta.dirname, '../guests/pages/pages.elf'));
const ported = readFileSync(join(import.meta.dirname, '../guests/pages/ported.elf'));
const asPorted = { io: 'split', guest: ported } as const;
const unmodified = ['native', 'trap', 'translate', 'hybrid', 'hardware'] as const;

function run(way: Way, parameters: readonly number[], more: Partial<MonitorConfig> = {}) {
  const trace: TraceEvent[] = [];
  const monitor = createMonitor({
    way,
    io: 'emulated',
    guest,
    memory: 4 << 20,
    parameters,
    trace: (event) => trace.push(event),
    ...more,
  });
  const outcome = monitor.run(5_000_000);
  const { counters, console: output } = monitor;
  return { outcome, counters, output, memory: monitor.memory(), trace };
}

/** What the guest's touches add up to, worked out anew: page after page, word after word, over its 16 pages of data. */
function sumOf(touches: number, spread: number): number {
  const words = new Map<number, number>();
  let sum = 0;
  for (let index = 0; index < touches; index++) {
    const word = ((index % spread) % 16) * 512 + (index % 512);
    words.set(word, (words.get(word) ?? 0) + index);
    sum += words.get(word) ?? 0;
  }
  return sum;
}

test('the same binary prints the same and leaves the same memory in each way that runs it unmodified', () => {
  const expected = run('native', [600, 900, 600, 4]);
  expect(expected.outcome).toEqual({ reason: 'off', code: 0 });
  expect(expected.output).toBe(`pages\nentries 600\nsum ${sumOf(900, 600)}\nfaults 1\nstatus 1\nanswer 30\n`);
  for (const way of unmodified) {
    const { outcome, output, memory } = run(way, [600, 900, 600, 4]);
    expect({ way, outcome, output }).toEqual({ way, outcome: expected.outcome, output: expected.output });
    expect(Buffer.compare(memory, expected.memory)).toBe(0);
  }
});

test.each(['trap', 'translate', 'hybrid'] as const)(
  'under %s a buffer that the monitor fills costs an exit for each miss and none for tables',
  (way) => {
    const work = [600, 900, 600, 4] as const;
    const expected = run('native', work);
    const { outcome, output, memory, counters, trace } = run(way, work, { paging: 'software' });
    expect({ outcome, output }).toEqual({ outcome: expected.outcome, output: expected.output });
    expect(Buffer.compare(memory, expected.memory)).toBe(0);
    const { instructions, ...others } = counters;
    expect(recount(trace, way)).toEqual(others);
    expect(others.traps + counters.interpreted).toBeGreaterThanOrEqual(exitsOf(counters));
    expect(instructions).toBeGreaterThan(0);
    // The hart reads no table; the monitor reads three entries for each page that it looks for.
    expect(counters.pageWalks).toBe(0);
    expect(counters.exits['traced-write'] + counters.exits['shadow-fault']).toBe(0);
    // 600 pages in turn do not fit into 256 entries: every touch misses.
    expect(counters.exits['buffer-fill']).toBeGreaterThanOrEqual(900);
    expect(counters.monitorReferences).toBeGreaterThanOrEqual(3 * 900);
    const fitting = run(way, [100, 900, 100, 0], { paging: 'software' });
    expect(fitting.counters.exits['buffer-fill']).toBeLessThan(200);
  },
);

test.each([...unmodified, 'paravirtual'] as const)('a full trace of %s gives its counters again', (way) => {
  const { counters, trace } = run(way, [600, 900, 600, 4], way === 'paravirtual' ? asPorted : {});
  const { instructions, ...others } = counters;
  expect(recount(trace, way)).toEqual(others);
  expect(instructions).toBeGreaterThan(0);
  // Where a guest's kernel takes no trap of the hart by itself, each is an exit.
  if (way !== 'native' && way !== 'hardware') expect(others.traps).toBe(exitsOf(counters));
});

test.each(['native', 'trap', 'translate', 'hardware', 'paravirtual'] as const)(
  'a guest of %s that is run one by one takes as many instructions as are counted',
  (way) => {
    const parameters = [40, 40, 40, 2];
    const { counters } = run(way, parameters, way === 'paravirtual' ? asPorted : {});
    const config = { way, io: 'emulated', guest, memory: 4 << 20, parameters } as const;
    const monitor = createMonitor(way === 'paravirtual' ? { ...config, ...asPorted } : config);
    let steps = 1;
    while (monitor.run(1).reason === 'budget') steps++;
    expect({ steps, ...monitor.counters }).toEqual({ steps: counters.instructions, ...counters });
  },
);

test('a hybrid monitor does the whole kernel itself, and is left by the program alone', () => {
  const { counters, trace } = run('hybrid', [64, 64, 64, 5]);
  expect(counters.interpreted).toBeGreaterThan(1000);
  // What the hart ran: five calls and the one that ends it, each with the loop around it.
  expect(counters.instructions).toBeLessThan(100);
  expect(counters.exits.syscall).toBe(6);
  expect(counters.exits.register + counters.exits.return + counters.exits.fence).toBe(0);
  const inKernel = trace.filter((event) => event.kind === 'exit' && event.kernel && event.target === 'none');
  expect(inKernel).toEqual([]);
});

test('an entry of a page table is one exit for trap-and-emulate and none with nested tables', () => {
  const difference = (way: Way, of: (counters: MonitorCounters) => number): number =>
    of(run(way, [512, 0, 1, 0]).counters) - of(run(way, [1, 0, 1, 0]).counters);
  expect(difference('trap', ({ exits }) => exits['traced-write'])).toBe(511);
  expect(difference('hardware', ({ exits }) => exits['nested-fault'] + exits['traced-write'] + exits.register)).toBe(0);
});

test('a walk through two stages reads up to 15 entries, and one through shadow tables 3', () => {
  expect(run('hardware', [600, 900, 600, 0]).counters.walkReferencesMax).toBe(15);
  expect(run('trap', [600, 900, 600, 0]).counters.walkReferencesMax).toBe(3);
  expect(run('native', [600, 900, 600, 0]).counters.walkReferencesMax).toBe(3);
});

test('translated code is made once, connected, and does a store itself that keeps hitting tables', () => {
  const { counters } = run('translate', [512, 512, 512, 8]);
  const { exits, blocksTranslated, blocksChained, storesLogged } = counters;
  expect(exits['traced-write']).toBeLessThan(20);
  // Twice for the two halves of the table; the rest are what its registers and returns take.
  expect(exits['call-out']).toBeLessThan(30);
  expect(storesLogged).toBeGreaterThan(500);
  // The kernel's loops run in the cache: what is not connected is come to once.
  expect(blocksChained).toBeGreaterThan(50);
  expect(exits.untranslated).toBeLessThan(3 * blocksTranslated);
  expect(exits.register + exits.return + exits.fence).toBe(0);
});

test('a ported kernel asks for its tables by few calls, and gets no more than its own memory', () => {
  const { outcome, output, counters } = run('paravirtual', [600, 900, 600, 4], asPorted);
  expect(outcome).toEqual({ reason: 'off', code: 0 });
  // It asks for a foreign page, a table that it could write, an entry of no table and a big page.
  expect(output).toBe(`refused 4\npages\nentries 600\nsum ${sumOf(900, 600)}\nfaults 1\nstatus 1\nanswer 30\n`);
  expect(counters.updatesAsked).toBeGreaterThan(600);
  expect(counters.exits.hypercall).toBeLessThan(40);
  expect(counters.walkReferencesMax).toBe(3);
});

test('a device that is passed through is reached without exits after the first', () => {
  for (const way of ['trap', 'translate', 'hardware'] as const) {
    const emulated = run(way, [0, 0, 0, 0]);
    const passed = run(way, [0, 0, 0, 0], { io: 'passthrough' });
    expect(emulated.counters.exits.device).toBe(emulated.output.length + 1);
    expect(passed.counters.exits.device).toBe(0);
    expect(passed.output).toBe(emulated.output);
  }
});

test('what cannot be made is refused with one line', () => {
  expect(() => run('native', [], { io: 'split' })).toThrow('Cannot split the devices of a guest without a monitor');
  expect(() => run('paravirtual', [], { guest: ported })).toThrow('Cannot give a ported kernel a device');
  expect(() => run('hardware', [], { paging: 'software' })).toThrow(
    'by software under hardware: the hart walks tables',
  );
  expect(() => run('trap', [], { memory: 100 })).toThrow('Cannot make a guest of 100 bytes');
});
