/** The page tables of a process in a simulated machine, read from its memory as the hart would, and drawn. Source: RISC-V privileged architecture 20211203, section 4.4 (Sv39). */
import { readFileSync } from 'node:fs';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';
import { type Shape, svgOf, text } from '#pkg/vmm/picture.ts';
import { PlainReader } from '#pkg/vmm/plain-state.ts';

const kernel = new URL('../../../pkg/vmm/guests/kernel/kernel.elf', import.meta.url);
/** Enough for the kernel to have started its first programs. */
const instructions = 3_000_000;
const memoryBase = 0x8000_0000;
const pageBytes = 4096;

/** Entries beside each other that lead to pages with the same rights, or one that leads to a table. */
interface Run {
  /** Of the first. */
  readonly index: number;
  readonly count: number;
  /** Such as `r-x user`. */
  readonly rights: string;
  readonly accessed: number;
  readonly written: number;
  readonly table: Table | undefined;
}

interface Table {
  /** 2 is the root. */
  readonly level: number;
  /** Of the guest's memory. */
  readonly address: number;
  /** First address that it translates. */
  readonly from: number;
  readonly runs: readonly Run[];
}

/** A machine in which a kernel runs programs: all its harts wait, or it has run long enough. */
function startedMachine(): Machine {
  const machine = createMachine({
    ...{ memory: 16 << 20, harts: 1, kernel: readFileSync(kernel), commandLine: '', engine: 'interpret' },
  });
  while (machine.counters.instructions < instructions) {
    const stop = machine.run(instructions - machine.counters.instructions);
    if (stop.reason === 'output') machine.takeConsole();
    else if (stop.reason === 'idle' && stop.ticks !== undefined) machine.idle(stop.ticks);
    else break;
  }
  return machine;
}

/** The tables of whoever runs on the first hart. Throws where it has none. */
function tablesOf(machine: Machine): Table {
  const [hart] = new PlainReader(machine.saveState().parts, 'machine').parts('harts');
  const satp = hart?.part('csr').big('satp') ?? 0n;
  if (satp >> 60n !== 8n) throw new Error('Cannot draw page tables: the hart has none (Sv39)');
  return tableAt(machine, { level: 2, address: Number(satp & ((1n << 44n) - 1n)) * pageBytes, from: 0 });
}

function tableAt(machine: Machine, place: Omit<Table, 'runs'>): Table {
  const { level, address, from } = place;
  const bytes = machine.readPage((address - memoryBase) / pageBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const runs: Run[] = [];
  for (let index = 0; index < 512; index++) {
    const entry = view.getBigUint64(index * 8, true);
    if ((entry & 1n) === 0n) continue;
    const run = runOf(machine, entry, { level, index, from: from + index * 2 ** (12 + 9 * level) });
    const before = runs.at(-1);
    const isNext = before !== undefined && before.index + before.count === index && before.rights === run.rights;
    if (!isNext || run.table !== undefined || before.table !== undefined) runs.push(run);
    else
      runs[runs.length - 1] = {
        ...before,
        count: before.count + 1,
        accessed: before.accessed + run.accessed,
        written: before.written + run.written,
      };
  }
  return { ...place, runs };
}

/** Of one entry. */
function runOf(
  machine: Machine,
  entry: bigint,
  { level, index, from }: { readonly level: number; readonly index: number; readonly from: number },
): Run {
  const has = (bit: number): boolean => (entry & BigInt(1 << bit)) !== 0n;
  const isLeaf = has(1) || has(3);
  const address = Number((entry >> 10n) & ((1n << 44n) - 1n)) * pageBytes;
  const table = isLeaf ? undefined : tableAt(machine, { level: level - 1, address, from });
  const rights = `${has(1) ? 'r' : '-'}${has(2) ? 'w' : '-'}${has(3) ? 'x' : '-'} ${has(4) ? 'user' : 'kernel'}`;
  return {
    index,
    count: 1,
    rights: isLeaf ? rights : 'table',
    accessed: Number(has(6)),
    written: Number(has(7)),
    table,
  };
}

const lineHeight = 16;
const boxWidth = 300;
const columns = [16, 348, 680] as const;
const gap = 18;
const colours = { table: '#eef2f6', edge: '#8a97a5', arrow: '#3b6ea5' } as const;
const reaches = ['4 KiB', '2 MiB', '1 GiB'] as const;

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Draws the tables from left to right, each entry of a table with an arrow to the one that it leads to. */
function drawn(root: Table): {
  readonly shapes: readonly Shape[];
  readonly arrows: readonly string[];
  readonly height: number;
} {
  const next = [70, 70, 70];
  const shapes: Shape[] = [];
  const arrows: string[] = [];
  const place = (table: Table): number => {
    const column = 2 - table.level;
    const x = columns[column] ?? 0;
    const top = next[column] ?? 0;
    const height = (table.runs.length + 1) * lineHeight + 10;
    next[column] = top + height + gap;
    shapes.push(
      { kind: 'box', x, y: top, width: boxWidth, height, fill: colours.table, stroke: colours.edge },
      text(x + 8, top + 15, `table at ${hex(table.address)}, each entry ${reaches[table.level]}`, { isBold: true }),
    );
    for (const [at, run] of table.runs.entries()) {
      const y = top + 15 + (at + 1) * lineHeight;
      shapes.push(text(x + 8, y, lineOf(table, run), { size: 11 }));
      if (run.table === undefined) continue;
      const to = place(run.table);
      const [x1, x2] = [x + boxWidth, columns[column + 1] ?? 0];
      arrows.push(
        `<path d="M${x1} ${y - 4} C${x1 + 24} ${y - 4} ${x2 - 24} ${to + 11} ${x2} ${to + 11}" fill="none" stroke="${colours.arrow}"/>`,
      );
    }
    return top;
  };
  place(root);
  return { shapes, arrows, height: Math.max(...next) };
}

function lineOf(table: Table, { index, count, rights, accessed, written }: Run): string {
  const which = count === 1 ? `${index}` : `${index}–${index + count - 1}`;
  const from = hex(table.from + index * 2 ** (12 + 9 * table.level));
  if (rights === 'table') return `${which}: ${from}, leads to a table`;
  return `${which}: ${from} ${rights}, ${accessed} used, ${written} written`;
}

/** The picture, of a machine that was started for it. */
export function pageTablesPicture(): string {
  const { shapes, arrows, height } = drawn(tablesOf(startedMachine()));
  const words = [
    text(16, 24, 'The page tables of a program in a machine, as they stood in its memory', { size: 15 }),
    text(
      16,
      44,
      'Entries that are used, by index, with the first address of each. Three tables are read for an address; an entry of the first two may be a page itself.',
    ),
  ];
  return svgOf({ width: 996, height, shapes: [...words, ...shapes] }, arrows);
}
