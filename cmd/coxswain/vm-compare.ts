/** `coxswain vm compare`: the ways to virtualize, run side by side on this machine, as a table and a picture. Needs no cluster. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type FlagTable, helpText, integer, list, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type Crossing, crossingOf, exitsOf, measure, measureCrossing, type Row } from '#pkg/vmm/monitor/compare.ts';
import { picture } from '#pkg/vmm/monitor/compare-picture.ts';
import type { Way } from '#pkg/vmm/monitor/contract.ts';
import { textTable } from './text-table.ts';
import type { World } from './world.ts';

const guests = new URL('../../pkg/vmm/guests/pages/', import.meta.url);
const known = ['native', 'hardware', 'paravirtual', 'translate', 'hybrid', 'trap'] as const;

const flags = {
  updates: integer({
    help: 'Entries of page tables that the guest writes; 262144 map 1 GiB.',
    fallback: 65_536,
    min: 1,
    max: 262_144,
  }),
  touches: integer({ help: 'Times that it touches a page through them.', fallback: 16_384, min: 0, max: 10_000_000 }),
  syscalls: integer({ help: 'System calls of its program.', fallback: 1000, min: 0, max: 1_000_000 }),
  ways: list({ help: 'The ways to compare.', fallback: known, placeholder: 'way,…' }),
  crossing: toggle({
    help: 'Find, besides, where shadow and nested tables change places, which takes longest.',
    fallback: true,
  }),
  times: toggle({ help: 'Say how long each took; without it the output is the same each time.', fallback: true }),
  console: toggle({ help: 'Show what the guest printed.' }),
  svg: text({ help: 'File for the picture.', placeholder: 'file' }),
} satisfies FlagTable;

const columns = ['WAY', 'MS', 'EXITS', 'WALKS', 'REFERENCES', 'PER WALK', 'TLB MISSES', 'WHY IT EXITED'] as const;

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
  const ways = waysOf(parsed.values.ways);
  const guestAt = (name: string): Uint8Array => readFileSync(new URL(`${name}.elf`, guests));
  const bench = { guest: guestAt('pages'), ported: guestAt('ported'), now: processorTime };
  // What runs first would pay for the host's compiling of all.
  for (const way of ways) measure(bench, way, { updates: 1024, touches: 1024, spread: 1024, syscalls: 50 });
  const rows = ways.map((way) => measure(bench, way, { updates, touches, spread: updates, syscalls }));
  const shown = (cells: readonly string[]): readonly string[] => (times ? cells : cells.toSpliced(1, 1));
  world.write(textTable([columns, ...rows.map(line)].map(shown)));
  if (parsed.values.console) for (const row of rows) world.write(`\n${row.way}:\n${row.console}`);
  const points = crossing ? measureCrossing(bench) : [];
  if (crossing) world.write(crossingText(points));
  if (svg !== '') writeFileSync(svg, picture(rows, points));
  return rows.every(({ outcome }) => outcome.reason === 'off' && outcome.code === 0) ? 0 : 1;
}

function waysOf(names: readonly string[]): readonly Way[] {
  return names.map((name) => {
    const way = known.find((each) => each === name);
    if (way === undefined)
      throw new UserError(`there is no way ${JSON.stringify(name)}: the ways are ${known.join(', ')}`);
    return way;
  });
}

function crossingText(points: readonly Crossing[]): string {
  const measured = points.map(({ touchesPerUpdate, shadow, nested }) =>
    [
      touchesPerUpdate,
      shadow.milliseconds.toFixed(0),
      shadow.references,
      shadow.exits,
      nested.milliseconds.toFixed(0),
      nested.references,
      nested.exits,
    ].map(String),
  );
  const columnsOf = ['TOUCHES', 'SHADOW MS', 'REFERENCES', 'EXITS', 'NESTED MS', 'REFERENCES', 'EXITS'];
  const between = crossingOf(points, ({ milliseconds }) => milliseconds);
  const where =
    between === undefined
      ? 'one is quicker throughout'
      : `they change places between ${between[0]} and ${between[1]} touches per entry`;
  return `
Shadow tables (trap) and nested ones (hardware), 1,024 pages mapped once and touched so often each:
${textTable([columnsOf, ...measured])}By time ${where}.
`;
}

/** Milliseconds of the processor that this process has had: others on the machine count less than by a clock. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function line({ way, milliseconds, counters }: Row): readonly string[] {
  const { pageWalks, walkReferences, walkReferencesMax, tlbMisses, exits, interpreted } = counters;
  const why = Object.entries(exits)
    .filter(([, count]) => count > 0)
    .toSorted(([, one], [, other]) => other - one)
    .map(([reason, count]) => `${reason} ${count}`);
  const numbers = [
    milliseconds.toFixed(0),
    exitsOf(counters),
    pageWalks,
    walkReferences,
    `<=${walkReferencesMax}`,
    tlbMisses,
  ];
  if (interpreted > 0) why.push(`${interpreted} instructions interpreted`);
  return [way, ...numbers.map(String), why.join(', ')];
}
