/** Tables of a ported kernel that it writes by plain stores: by what guests do, and by random calls after each of which the hart can walk nothing that it must not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { exitsOf } from './compare.ts';
import type { TraceEvent } from './contract.ts';
import { bit, entryOf, GuestRam } from './guest-tables.ts';
import { createMonitor } from './monitor.ts';
import { PageTypes } from './page-types.ts';
import { PhysicalMachine } from './physical.ts';
import { recount } from './recount.ts';
import { WritableTables } from './writable-tables.ts';

const MEMORY = 1 << 20;

function run(name: string, parameters: readonly number[], memory: number) {
  const guest = readFileSync(join(import.meta.dirname, `../guests/${name}.elf`));
  const trace: TraceEvent[] = [];
  const config = { way: 'paravirtual', io: 'split', guest, memory, parameters } as const;
  const monitor = createMonitor({ ...config, trace: (event) => trace.push(event) });
  const outcome = monitor.run(5_000_000);
  return { outcome, counters: monitor.counters, lines: monitor.console.split('\n'), trace };
}

const forge = (what: number) => run('probe/forge', [what], MEMORY);

/** What the guest says before it does what it is asked to: three tables and the one over them, and that a store to one is no business of the monitor's yet. */
const before = [...Array.from({ length: 4 }, () => 'a table'), 'a store: page fault', 'stores are taken'];

test('entries written by plain stores cost one exit for each table, and the work comes to the same as by lists', () => {
  const work = [2048, 4096, 2048, 4] as const;
  const listed = run('pages/ported', work, 4 << 20);
  const written = run('pages/writable', work, 4 << 20);
  expect(written.outcome).toEqual({ reason: 'off', code: 0 });
  expect(written.lines).toEqual(listed.lines);
  // Four tables, of which the last two are looked at when the first page of each is touched, the others for the next.
  expect(written.counters.exits['table-opened']).toBe(4);
  expect(written.counters.exits['table-checked']).toBe(2);
  expect(written.counters.updatesAsked).toBeGreaterThan(2048);
  expect(written.counters.exits.hypercall).toBeLessThan(30);
  const { instructions, ...others } = written.counters;
  expect(instructions).toBeGreaterThan(0);
  expect(others.traps).toBe(exitsOf(written.counters));
  expect(recount(written.trace, 'paravirtual')).toEqual(others);
});

test('a table is looked at when what it maps is reached, or tables are asked for', () => {
  const used = forge(0);
  expect(used.outcome).toEqual({ reason: 'off', code: 0 });
  expect(used.lines).toEqual([...before, 'what is there', '']);
  expect(used.counters.exits).toMatchObject({ 'table-opened': 1, 'table-checked': 1 });
  const asked = forge(4);
  expect(asked.lines).toEqual([...before, 'asked for', 'what is there', '']);
  expect(asked.counters.exits).toMatchObject({ 'table-opened': 1, 'table-checked': 0 });
});

test.each([
  [1, 'foreign'],
  [2, 'writable-table'],
  [3, 'not-a-table'],
])('a guest that forges an entry (%i) ends before the hart walks it', (what, refusal) => {
  const { outcome, lines } = forge(what);
  expect(outcome.reason === 'fault' && outcome.message).toContain(`wrote a table that may not be one (${refusal}), at`);
  expect(lines).toEqual([...before, '']);
});

test('a store to the table that maps it, or to one that leads to tables, is a fault of the kernel', () => {
  for (const what of [5, 6]) {
    const { outcome, lines, counters } = forge(what);
    expect(outcome).toEqual({ reason: 'off', code: 0 });
    expect(lines).toEqual([...before, 'a store: page fault', 'a load: page fault', 'nothing', '']);
    expect(counters.exits['table-opened']).toBe(0);
  }
});

test('a table that nothing leads to can be given back, and is a page like others', () => {
  const { lines } = forge(7);
  const said = ['in use: refused', 'the root: refused', 'given back', 'again: refused', 'written'];
  expect(lines).toEqual([...before, ...said, 'a load: page fault', 'nothing', '']);
});

test('two tables are out of use at most: the oldest is looked at for a third', () => {
  const { outcome, lines, counters } = forge(8);
  expect(outcome).toEqual({ reason: 'off', code: 0 });
  expect(lines).toEqual([...before, ...Array.from({ length: 4 }, () => 'what is there'), '']);
  expect(counters.exits).toMatchObject({ 'table-opened': 6, 'table-checked': 2 });
});

const PAGES = 12;
const TABLES = 4;
const START = 0x8000_0000;

/** Tables of a guest of few pages, of which it makes, writes and gives back what it likes. */
function wild(seed: number) {
  const machine = new PhysicalMachine(1 << 20, MEMORY, 'before');
  const ram = new GuestRam(machine, machine.guestBase, MEMORY);
  const types = new PageTypes(ram);
  const writable = new WritableTables(ram, types, () => undefined);
  const page = (index: number): number => ram.physical(START + index * PAGE_SIZE);
  const word = (target: number, bits: number): bigint => (BigInt(target / PAGE_SIZE) << 10n) | BigInt(bits);
  const [root, middle, last] = [page(0), page(1), page(2)];
  machine.write64(root, word(middle, bit.V));
  // The first table maps all pages, tables read-only; the others are empty, for the guest to write.
  for (let index = 0; index < TABLES; index++) machine.write64(middle + index * 8, word(page(2 + index), bit.V));
  for (let index = 0; index < PAGES; index++) {
    machine.write64(last + index * 8, word(page(index), bit.V | bit.U | bit.R | (index < 2 + TABLES ? 0 : bit.W)));
  }
  for (let index = 0; index < TABLES; index++) expect(types.pin(page(2 + index), 0)).toBeUndefined();
  for (const [level, each] of [middle, root].entries()) expect(types.pin(each, level + 1)).toBeUndefined();
  const random = new SeededRandom(seed);
  const below = (limit: number): number => randomInt(random, limit);
  const anyWord = (): bigint => {
    const isOdd = below(16) === 0;
    const bits = [bit.V | bit.U | bit.R, bit.V | bit.U | bit.R | bit.W, 0, bit.V][below(isOdd ? 4 : 3)] ?? 0;
    return word(isOdd && below(2) === 0 ? page(0) - PAGE_SIZE : page(below(PAGES)), bits);
  };
  const address = (): bigint =>
    BigInt((below(2) === 0 ? 0 : below(TABLES)) * 0x20_0000 + below(PAGES) * PAGE_SIZE + below(4) * 8);
  const pc = 0n;
  let opens = 0;
  const calls = [
    () => types.update(page(below(PAGES)) + below(16) * 8, anyWord()),
    () => types.pin(page(below(PAGES)), below(2)),
    () => types.release(page(1 + below(PAGES - 1))),
  ] as const;
  /** A store of the kernel, as the hart and the monitor have it; false where the guest ends for it. */
  const store = (): boolean => {
    const virtual = address();
    for (let tries = 0; tries < 6; tries++) {
      const at = ram.findPhysical(root, virtual, 'write');
      if (at !== undefined) {
        machine.write64(at, anyWord());
        return true;
      }
      const used = writable.use(root, virtual);
      if (used.kind === 'refused') return false;
      if (used.kind === 'done') continue;
      const opened = writable.open(root, virtual, pc);
      if (opened.kind !== 'done') return opened.kind === 'other';
      opens++;
    }
    throw new Error('a store is tried again and again');
  };
  const ask = (): boolean => {
    if (writable.attachAll().kind === 'refused') return false;
    calls[below(calls.length)]?.();
    return true;
  };
  return { root, ram, machine, types, opens: () => opens, step: () => (below(5) === 0 ? ask() : store()) };
}

/** Walks all that the hart could from a root, and says what of it must not be. */
function wrongs({ root, ram, machine, types }: ReturnType<typeof wild>): readonly string[] {
  const found: string[] = [];
  const look = (table: number, level: number): void => {
    if (!types.isTable(table, level)) found.push(`0x${table.toString(16)} is walked as a table of level ${level}`);
    for (let index = 0; index < 512; index++) {
      const word = machine.read64(table + index * 8);
      if (word === 0n) continue;
      const entry = entryOf(word);
      const target = entry.frame * PAGE_SIZE;
      if (!entry.isValid) continue;
      if (target < ram.physical(START) || target >= ram.physical(START) + MEMORY) found.push('memory of others');
      else if (!entry.isLeaf && level > 0) look(target, level - 1);
      else if (level > 0 || !entry.isLeaf) found.push(`an entry of level ${level} that is none`);
      else if ((entry.bits & bit.W) !== 0 && [0, 1, 2].some((each) => types.isTable(target, each)))
        found.push(`the table 0x${target.toString(16)} can be written`);
    }
  };
  look(root, 2);
  return found;
}

const seeds = Number(process.env.COXSWAIN_TABLES_SEEDS ?? 6);

test(`whatever a guest asks for and writes, the hart can walk nothing else (${seeds} seeds)`, () => {
  let opens = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const guest = wild(seed);
    for (let count = 0; count < 150 && guest.step(); count++) expect(wrongs(guest), `seed ${seed}`).toEqual([]);
    expect(wrongs(guest), `seed ${seed}`).toEqual([]);
    opens += guest.opens();
  }
  expect(opens).toBeGreaterThan(seeds);
});
