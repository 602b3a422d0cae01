/** `coxswain vm theorems`: Popek and Goldberg's three theorems, each shown by guests that run. Needs no cluster; prints no times, so the same each time. */
import { readFileSync } from 'node:fs';
import { type FlagTable, helpText, integer, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { TraceEvent } from '#pkg/vmm/monitor/contract.ts';
import { createMonitor } from '#pkg/vmm/monitor/monitor.ts';
import { costs, exitsOfLevel, type NestedConfig, runNested } from '#pkg/vmm/monitor/nested.ts';
import { judge, type Verdict, variants } from '#pkg/vmm/monitor/theorems.ts';
import { textTable } from './text-table.ts';
import type { World } from './world.ts';

const flags = {
  updates: integer({
    help: 'Entries of page tables that the innermost guest writes.',
    fallback: 64,
    min: 1,
    max: 4096,
  }),
  touches: integer({ help: 'Times that it touches a page through them.', fallback: 64, min: 0, max: 100_000 }),
  syscalls: integer({ help: 'System calls of its program.', fallback: 8, min: 0, max: 100_000 }),
} satisfies FlagTable;

const guests = new URL('../../pkg/vmm/guests/', import.meta.url);
/** Of the innermost guest. */
const MEMORY = 4 << 20;
const ways = ['trap', 'translate', 'hybrid', 'hardware'] as const;
const chains: readonly { readonly way: NestedConfig['way']; readonly monitors: 1 | 2 }[] = [
  { way: 'native', monitors: 1 },
  ...ways.map((way) => ({ way, monitors: 1 }) as const),
  { way: 'native', monitors: 2 },
  { way: 'trap', monitors: 2 },
];

/** Runs the command; resolves to its exit code. */
export async function theorems(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain vm theorems --help")`);
  if (parsed.help) {
    const summary =
      "Show Popek and Goldberg's theorems: which instructions are sensitive and what follows of it, and monitors within each other.";
    world.write(helpText(flags, { usage: 'coxswain vm theorems [flags]', summary }));
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain vm theorems --help")`);
  const { updates, touches, syscalls } = parsed.values;
  const verdicts = variants.map((variant) => judge(variant, guestAt('probe/status')));
  world.write(instructionTable(verdicts));
  world.write(`\n${untrappedTable(verdicts)}`);
  world.write(`\n${trialTable(verdicts)}`);
  const isRight = showNested(world, [updates, touches, updates, syscalls]);
  const isKept = verdicts.every(({ trials }) => trials.every(({ isPromised, isSame }) => isSame || !isPromised));
  return isKept && isRight ? 0 : 1;
}

function guestAt(name: string): Uint8Array {
  return readFileSync(new URL(`${name}.elf`, guests));
}

function instructionTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ userStatus, sensitive, untrapped, userUntrapped }) => [
    ...[userStatus, String(sensitive), String(untrapped.length), String(userUntrapped.length)],
    `${untrapped.length === 0 ? 'yes' : 'no'}`,
    `${userUntrapped.length === 0 ? 'yes' : 'no'}`,
  ]);
  const columns = [
    'SSTATUS IN MODE U',
    'SENSITIVE',
    'DO NOT TRAP',
    'USER-SENSITIVE AND DO NOT',
    'THEOREM 1',
    'THEOREM 3',
  ];
  return textTable([columns, ...rows]);
}

/** Each sensitive instruction that does not trap on one of the harts, and what it is on each. */
function untrappedTable(verdicts: readonly Verdict[]): string {
  const names = new Set(verdicts.flatMap(({ untrapped }) => untrapped.map(({ name }) => name)));
  const what = ({ untrapped, userUntrapped }: Verdict, name: string): string => {
    if (!untrapped.some((finding) => finding.name === name)) return 'traps';
    return userUntrapped.some((finding) => finding.name === name) ? 'user-sensitive, no trap' : 'sensitive, no trap';
  };
  const rows = [...names].map((name) => [name, ...verdicts.map((verdict) => what(verdict, name))]);
  return textTable([['INSTRUCTION', ...verdicts.map(({ userStatus }) => userStatus.toUpperCase())], ...rows]);
}

function trialTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.flatMap(({ userStatus, expected, trials }) => [
    [userStatus, 'native', '', '', expected],
    ...trials.map(({ way, isPromised, isSame, said }) => [
      ...[userStatus, way, isPromised ? 'yes' : 'no', isSame ? 'yes' : 'no', said],
    ]),
  ]);
  return textTable([['SSTATUS IN MODE U', 'WAY', 'PROMISED', 'THE SAME', 'THE GUEST SAYS'], ...rows]);
}

/** Theorem 2. True if all guests did as on the bare machine. */
function showNested(world: World, parameters: readonly number[]): boolean {
  const bare = createMonitor({
    ...{ way: 'native', io: 'passthrough', guest: guestAt('pages/pages'), memory: MEMORY },
    parameters,
  });
  bare.run(Number.MAX_SAFE_INTEGER);
  const expected = bare.memory();
  const rows = chains.map(({ way, monitors }) => {
    const {
      console: said,
      levels,
      instructions,
      memory,
    } = runNested({
      ...{ way, guest: guestAt(`nested/${monitors === 1 ? 'one' : 'two'}`), parameters },
      memory: MEMORY * 2 ** monitors,
    });
    const isSame = said === bare.console && Buffer.compare(memory(MEMORY), expected) === 0;
    const exits = levels.map((level) => String(exitsOfLevel(level)));
    const outer = way === 'native' ? [] : [way];
    const names = [...outer, ...Array<string>(monitors).fill('monitor'), 'guest'].join(' > ');
    return [names, isSame ? 'yes' : 'no', String(instructions), ...exits];
  });
  world.write(`\n${textTable([['LEVELS', 'THE SAME', 'INSTRUCTIONS', 'EXITS OF 1', 'OF 2', 'OF 3'], ...rows])}`);
  world.write(`\n${costTable(parameters)}`);
  return rows.every(([, same]) => same === 'yes');
}

/** What the second level's exits cost the first, both by trap and emulate. */
function costTable(parameters: readonly number[]): string {
  const events: TraceEvent[] = [];
  runNested({
    ...{ way: 'trap', guest: guestAt('nested/one'), memory: 2 * MEMORY, parameters },
    trace: (event) => events.push(event),
  });
  const rows = Object.entries(costs(events, 'trap'))
    .filter(([, { exits }]) => exits > 0)
    .map(([kind, { exits, outer }]) => [kind, String(exits), String(outer), (outer / exits).toFixed(1)]);
  return textTable([['EXITS OF LEVEL 2', 'COUNT', 'EXITS OF LEVEL 1', 'EACH'], ...rows]);
}
