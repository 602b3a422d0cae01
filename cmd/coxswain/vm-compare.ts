/** `coxswain vm compare`: the ways to virtualize, run side by side on this machine, as a table and a picture. Needs no cluster. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type FlagTable, helpText, integer, parseFlags, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { crossingOf, exitsOf, measure, measureCrossing, type Row } from '#pkg/vmm/monitor/compare.ts';
import { picture } from '#pkg/vmm/monitor/compare-picture.ts';
import type { World } from './world.ts';

const flags = {
  updates: integer({
    help: 'Entries of page tables that the guest writes; 262144 map 1 GiB.',
    fallback: 65_536,
    min: 1,
    max: 262_144,
  }),
  touches: integer({ help: 'Times that it touches a page through them.', fallback: 16_384, min: 0, max: 10_000_000 }),
  syscalls: integer({ help: 'System calls of its program.', fallback: 1000, min: 0, max: 1_000_000 }),
  svg: text({ help: 'File for the picture.', placeholder: 'file' }),
} satisfies FlagTable;

const guests = new URL('../../pkg/vmm/guests/pages/', import.meta.url);
const ways = ['native', 'hardware', 'paravirtual', 'translate', 'trap'] as const;
const columns = ['WAY', 'MS', 'EXITS', 'WALKS', 'REFERENCES', 'PER WALK', 'TLB MISSES', 'WHY IT EXITED'] as const;

/** Runs the command; resolves to its exit code. */
export async function compare(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain vm compare --help")`);
  if (parsed.help) {
    const summary =
      'Compare trap-and-emulate, binary translation, a ported kernel and the hypervisor extension by running one guest under each.';
    world.write(helpText(flags, { usage: 'coxswain vm compare [flags]', summary }));
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain vm compare --help")`);
  const { updates, touches, syscalls, svg } = parsed.values;
  const guestAt = (name: string): Uint8Array => readFileSync(new URL(`${name}.elf`, guests));
  const bench = { guest: guestAt('pages'), ported: guestAt('ported'), now: processorTime };
  // What runs first would pay for the host's compiling of all.
  for (const way of ways) measure(bench, way, { updates: 1024, touches: 1024, spread: 1024, syscalls: 50 });
  const rows = ways.map((way) => measure(bench, way, { updates, touches, spread: updates, syscalls }));
  const points = measureCrossing(bench);
  world.write(table([columns, ...rows.map(line)]));
  world.write(
    '\nShadow tables (trap) and nested ones (hardware), 1,024 pages mapped once and touched so often each:\n',
  );
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
  world.write(
    table([['TOUCHES', 'SHADOW MS', 'REFERENCES', 'EXITS', 'NESTED MS', 'REFERENCES', 'EXITS'], ...measured]),
  );
  const between = crossingOf(points, ({ milliseconds }) => milliseconds);
  const where =
    between === undefined
      ? 'one is quicker throughout'
      : `they change places between ${between[0]} and ${between[1]} touches per entry`;
  world.write(`By time ${where}.\n`);
  if (svg !== '') writeFileSync(svg, picture(rows, points));
  return rows.every(({ outcome }) => outcome.reason === 'off' && outcome.code === 0) ? 0 : 1;
}

/** Milliseconds of the processor that this process has had: others on the machine count less than by a clock. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function line({ way, milliseconds, counters }: Row): readonly string[] {
  const { pageWalks, walkReferences, walkReferencesMax, tlbMisses, exits } = counters;
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
  return [way, ...numbers.map(String), why.join(', ')];
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}
