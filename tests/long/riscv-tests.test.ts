/**
 * The official tests of the architecture (`riscv-software-src/riscv-tests`, its folder `isa` built outside) on both engines: `RISCV_TESTS=FOLDER node tests/run.ts long
 * tests/long/riscv-tests.test.ts`. Each is an ELF that says by a word of memory, `tohost`, how it ended: 1 is well, else the number of the case that went wrong, doubled, and 1.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine, MachineConfig } from '#pkg/vmm/machine-contract.ts';
import { MEMORY_BASE, PAGE_SIZE } from '#pkg/vmm/memory-map.ts';

const folder = process.env.RISCV_TESTS;
const suites = ['rv64ui', 'rv64um', 'rv64ua', 'rv64uc', 'rv64uf', 'rv64ud', 'rv64si', 'rv64mi'];
const memory = 16 << 20;
const slice = 100_000;
const instructionsMax = 200_000_000;

/** The address of a symbol; undefined where the file has none of that name. */
function addressOf(elf: Buffer, symbol: string): number | undefined {
  const sections = Number(elf.readBigUInt64LE(0x28));
  const [size, count] = [elf.readUInt16LE(0x3a), elf.readUInt16LE(0x3c)];
  const sectionAt = (
    index: number,
  ): { readonly type: number; readonly at: number; readonly bytes: number; readonly link: number } => {
    const head = sections + index * size;
    const word = (offset: number): number => Number(elf.readBigUInt64LE(head + offset));
    return { type: elf.readUInt32LE(head + 4), at: word(0x18), bytes: word(0x20), link: elf.readUInt32LE(head + 0x28) };
  };
  for (let index = 0; index < count; index++) {
    const { type, at, bytes, link } = sectionAt(index);
    if (type !== 2) continue;
    const names = sectionAt(link).at;
    for (let entry = at; entry < at + bytes; entry += 24) {
      const name = names + elf.readUInt32LE(entry);
      if (elf.toString('latin1', name, elf.indexOf(0, name)) === symbol) return Number(elf.readBigUInt64LE(entry + 8));
    }
  }
  return undefined;
}

function wordAt(machine: Machine, address: number): bigint {
  const offset = address - MEMORY_BASE;
  return Buffer.from(machine.readPage(Math.floor(offset / PAGE_SIZE))).readBigUInt64LE(offset % PAGE_SIZE);
}

/** How a test ends: `''` well, else in words. */
function outcomeOf(name: string, engine: MachineConfig['engine']): string {
  const kernel = readFileSync(join(folder ?? '', name));
  const tohost = addressOf(kernel, 'tohost');
  if (tohost === undefined) return 'has no tohost';
  const machine = createMachine({ memory, harts: 1, kernel, commandLine: '', engine }, undefined, { compileAfter: 2 });
  for (let run = 0; run < instructionsMax; run += slice) {
    const stop = machine.run(slice);
    machine.takeConsole();
    const told = wordAt(machine, tohost);
    if (told === 1n) return '';
    if (told !== 0n) return `case ${told >> 1n} failed`;
    if (stop.reason !== 'budget' && stop.reason !== 'output') return JSON.stringify(stop);
  }
  return 'does not end';
}

const names = folder === undefined ? [] : readdirSync(folder).sort();

for (const suite of suites)
  test.skipIf(folder === undefined)(
    `${suite} passes, with and without paging, on both engines`,
    { timeout: 3_600_000 },
    () => {
      const own = names.filter((name) => new RegExp(`^${suite}-[pv]-[^.]+$`).test(name));
      expect(own.length).toBeGreaterThan(0);
      const wrong = own
        .flatMap((name) =>
          (['interpret', 'compile'] as const).map((engine) => ({ name, engine, outcome: outcomeOf(name, engine) })),
        )
        .filter(({ outcome }) => outcome !== '');
      console.log(`${suite}: ${own.length} tests on two engines, ${wrong.length} went wrong`);
      expect(wrong).toEqual([]);
    },
  );
