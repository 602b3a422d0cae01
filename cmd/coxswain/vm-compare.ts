/** `coxswain vm compare`: the ways to virtualize, run side by side on this machine, as a table and a picture. Needs no cluster. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type FlagTable, helpText, integer, list, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type Choice, choicesHelp, ways as known, readChoice } from '#pkg/vmm/monitor/choices.ts';
import {
  type Bench,
  type Crossing,
  crossingOf,
  exitsOf,
  measure,
  measureCrossing,
  type Row,
  type Use,
} from '#pkg/vmm/monitor/compare.ts';
import { picture } from '#pkg/vmm/monitor/compare-picture.ts';
import { textTable } from './text-table.ts';
import type { World } from './world.ts';

const guests = new URL('../../pkg/vmm/guests/', import.meta.url);

const flags = {
  updates: integer({
    help: 'Entries of page tables that the guest writes; 262144 map 1 GiB.',
    fallback: 65_536,
    min: 1,
    max: 262_144,
  }),
  touches: integer({ help: 'Times that it touches a page through them.', fallback: 16_384, min: 0, max: 10_000_000 }),
  syscalls: integer({ help: 'System calls of its program.', fallback: 1000, min: 0, max: 1_000_000 }),
  output: integer({
    help: 'In place of all that: bytes that a guest writes to its console; 0 for none.',
    fallback: 0,
    min: 0,
    max: 1_000_000,
  }),
  sectors: integer({
    help: 'Or sectors that it writes to its disk, and reads again.',
    fallback: 0,
    min: 0,
    max: 100_000,
  }),
  frames: integer({
    help: 'Or frames that it sends, and that come back.',
    fallback: 0,
    min: 0,
    max: 100_000,
  }),
  ways: list({
    help: `The ways to compare, each with what is chosen of it: ${choicesHelp}.`,
    fallback: known,
    placeholder: 'way[/choice],…',
  }),
  crossing: toggle({
    help: 'Find, besides, where shadow and nested tables change places, each the shortest of a few runs; this takes longest.',
    fallback: true,
  }),
  times: toggle({ help: 'Say how long each took; without it the output is the same each time.', fallback: true }),
  console: toggle({ help: 'Show what the guest printed.' }),
  svg: text({ help: 'File for the picture.', placeholder: 'file' }),
} satisfies FlagTable;

/** Entries and touches of the run before those that are measured. */
const WARM = 8192;

const columns: readonly string[] = [
  ...['WAY', 'MS', 'EXITS', 'TRAPS', 'INSTRUCTIONS', 'WALKS', 'REFERENCES', 'PER WALK', 'BY MONITOR', 'TLB MISSES'],
  'WHY IT EXITED',
];

/** Where exits for each byte, sector or frame are told of, after the exits. */
const PER_USE_AT = 3;

/** Runs the command; resolves to its exit code. */
export async function compare(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain vm compare --help")`);
  if (parsed.help) {
    const summary =
      'Compare trap-and-emulate, binary translation, a hybrid monitor, a ported kernel and the hypervisor extension by running one guest under each.';
    world.write(helpText(flags, { usage: 'coxswain vm compare [flags]', summary }));
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain vm compare --help")`);
  const { updates, touches, syscalls, svg, crossing, times } = parsed.values;
  const use = useOf(parsed.values);
  if (parsed.values.ways.length === 0) throw new UserError('there is nothing to compare: --ways names no way');
  const ways = choicesOf(parsed.values.ways, use !== undefined);
  const bench: Bench = { guest: (name) => readFileSync(new URL(`${name}.elf`, guests)), now: processorTime };
  // What runs first would pay for the host's compiling of all.
  const first = {
    updates: Math.min(updates, WARM),
    touches: Math.min(touches, WARM),
    syscalls: Math.min(syscalls, 50),
  };
  if (times) for (const way of ways) measure(bench, way, { ...first, spread: first.updates, use });
  const rows = ways.map((way) => measure(bench, way, { updates, touches, spread: updates, syscalls, use }));
  const timed = (cells: readonly string[]): readonly string[] => (times ? cells : cells.toSpliced(1, 1));
  const headings = use === undefined ? columns : columns.toSpliced(PER_USE_AT, 0, 'PER I/O');
  world.write(textTable([headings, ...rows.map((row) => line(row, use))].map(timed)));
  world.write(translationText(rows));
  if (parsed.values.console) for (const row of rows) world.write(`\n${row.name}:\n${row.console}`);
  const points = crossing ? measureCrossing(bench) : [];
  if (crossing) world.write(crossingText(points));
  if (svg !== '') writeFileSync(svg, picture(rows, points));
  return rows.every(({ outcome }) => outcome.reason === 'off' && outcome.code === 0) ? 0 : 1;
}

function useOf({
  output,
  sectors,
  frames,
}: Readonly<Record<'output' | 'sectors' | 'frames', number>>): Use | undefined {
  const uses = [
    { device: 'console', count: output },
    { device: 'disk', count: sectors },
    { device: 'net', count: frames },
  ] as const;
  const asked = uses.filter(({ count }) => count > 0);
  if (asked.length > 1)
    throw new UserError('a guest uses one device: --output, --sectors and --frames exclude each other');
  return asked[0];
}

function choicesOf(names: readonly string[], isOfDevice: boolean): readonly Choice[] {
  return names.map((name) => {
    const choice = readChoice(name);
    if (typeof choice === 'string') throw new UserError(choice);
    if (choice.way !== 'paravirtual' && choice.io === 'split' && !isOfDevice)
      throw new UserError(
        `the guest that writes page tables has no half of a split device: ${name} needs --output, --sectors or --frames`,
      );
    if ((choice.isBare || choice.isWritable) && isOfDevice)
      throw new UserError(
        `the guest that uses a device has no page tables, nor a monitor in it: ${name} is without --output, --sectors and --frames`,
      );
    return choice;
  });
}

/** What binary translation made, of the ways that did; nothing where none did. */
function translationText(rows: readonly Row[]): string {
  const made = rows
    .filter(({ counters }) => counters.blocksTranslated > 0)
    .map(({ name, counters: { blocksTranslated, blocksChained, cacheFlushes, storesLogged } }) => [
      name,
      ...[blocksTranslated, blocksChained, cacheFlushes, storesLogged].map(String),
    ]);
  const headings = ['WAY', 'BLOCKS TRANSLATED', 'CHAINED', 'CACHE FLUSHES', 'STORES LOGGED'];
  return made.length === 0 ? '' : `\n${textTable([headings, ...made])}`;
}

function crossingText(points: readonly Crossing[]): string {
  const measured = points.map(({ touchesPerUpdate, shadow, nested, filled }) => [
    String(touchesPerUpdate),
    ...[shadow, nested, filled].flatMap(({ milliseconds, references, exits }) =>
      [milliseconds.toFixed(0), references, exits].map(String),
    ),
  ]);
  const columnsOf = [
    'TOUCHES',
    ...['SHADOW', 'NESTED', 'FILLED'].flatMap((name) => [`${name} MS`, 'REFERENCES', 'EXITS']),
  ];
  const between = crossingOf(points, ({ milliseconds }) => milliseconds);
  const where =
    between === undefined
      ? 'one is quicker throughout'
      : `they change places between ${between[0]} and ${between[1]} touches per entry`;
  return `
Shadow tables (trap), nested ones (hardware) and a buffer that is filled (trap/software), 1,024 pages mapped once and touched so often each:
${textTable([columnsOf, ...measured])}By time, of shadow and nested tables, ${where}.
`;
}

/** Milliseconds of the processor that this process has had: others on the machine count less than by a clock. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function line({ name, milliseconds, counters, isBare }: Row, use: Use | undefined): readonly string[] {
  const { pageWalks, walkReferences, walkReferencesMax, monitorReferences, tlbMisses, exits, interpreted } = counters;
  const why = Object.entries(exits)
    .filter(([, count]) => count > 0)
    .toSorted(([, one], [, other]) => other - one)
    .map(([reason, count]) => `${reason} ${count}`);
  const numbers = [
    milliseconds.toFixed(0),
    exitsOf(counters),
    counters.traps,
    counters.instructions,
    pageWalks,
    walkReferences,
    `<=${walkReferencesMax}`,
    isBare ? '-' : monitorReferences,
    tlbMisses,
  ];
  if (interpreted > 0) why.push(`${interpreted} instructions interpreted`);
  const cells = [name, ...numbers.map(String), why.join(', ')];
  const perUse = use === undefined ? 0 : exitsOf(counters) / Math.max(1, counters.moved[use.device]);
  return use === undefined ? cells : cells.toSpliced(PER_USE_AT, 0, perUse.toFixed(3));
}
