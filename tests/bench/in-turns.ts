/** Measures this checkout in turns with another commit, another server and a bare one: who they are, and what is printed of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import { type Bench, ours, print, restMs, serverOf, startFor, startRows, wants } from './bench.ts';
import { startCeiling } from './ceiling.ts';
import { checkOut } from './checkout.ts';
import { clock } from './load.ts';
import { startAlone, type TurnsRow, turnsHeader, turnsLines } from './report.ts';
import { type Memory, memoryOf } from './server.ts';
import type { Program, StartsRow } from './starts.ts';
import { compare } from './statistics.ts';
import { type Side, Turns } from './turns.ts';

/** True when every request succeeded and no row is slower than it may be. */
export async function measureInTurns(bench: Bench): Promise<boolean> {
  const { options, clients, signal, ending } = bench;
  const other = options.against === undefined ? undefined : await checkOutFor(bench, options.against);
  let succeeded = true;
  const tell = (row: TurnsRow): void => {
    print(turnsLines(row));
    succeeded &&= row.failures === 0 && isFastEnough(row, other, options.failUnder);
  };
  const starts = await startRows(bench, other === undefined ? [ours] : [ours, other]);
  const sides = await sidesFor(bench, other);
  print(turnsHeader(sides[0]!.name));
  for (const row of starts) {
    if (other === undefined) print(startAlone(row));
    else tell(startInTurns(row, other));
  }
  const { sizes, pairs, longPairs } = options;
  const turns = new Turns({ clients, sides, sizes, pairs, longPairs, signal, wants: (name) => wants(bench, name) });
  ending.defer(() => turns.goOn());
  await turns.open();
  if (turns.wantsCeiling) await addCeiling(bench, turns);
  for await (const row of turns.measure()) tell(row);
  for (const row of await memoryRows(bench, turns, sides)) tell(row);
  await turns.close();
  return succeeded;
}

async function checkOutFor(bench: Bench, against: string): Promise<Program> {
  const { folder, commit, remove } = await checkOut(against, bench.signal);
  bench.ending.defer(remove);
  return { name: commit, checkout: folder };
}

async function sidesFor(bench: Bench, other: Program | undefined): Promise<readonly Side[]> {
  const { kubeconfig } = bench.options;
  const foreign = kubeconfig === undefined ? undefined : serverOf(kubeconfig);
  if (other === undefined && foreign !== undefined) return [{ name: 'kubeconfig', role: 'ours', server: foreign }];
  const sides: Side[] = [{ name: ours.name, role: 'ours', server: await startFor(bench, ours) }];
  if (other !== undefined) sides.push({ name: other.name, role: 'against', server: await startFor(bench, other) });
  if (foreign !== undefined) sides.push({ name: 'kubeconfig', role: 'other', server: foreign });
  return sides;
}

async function addCeiling({ ending }: Bench, turns: Turns): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-bench-ceiling-'));
  ending.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'answers.json');
  await turns.addCeiling(file, async () => {
    const server = await startCeiling(folder, file);
    ending.defer(server.stop);
    return server;
  });
}

/** Whether the row's median against the other commit is what it has to be. */
function isFastEnough({ versus }: TurnsRow, other: Program | undefined, least: number | undefined): boolean {
  const judged = versus.filter(({ side }) => least !== undefined && side === other?.name);
  return judged.every(({ comparison }) => comparison !== undefined && comparison.ratio >= least!);
}

function startInTurns({ name, unit, values }: StartsRow, other: Program): TurnsRow {
  const pairs = values.get(ours)!.map((value, round) => [value, values.get(other)![round]!] as const);
  const comparison = compare(pairs, 'less');
  return { name, unit, versus: [{ side: other.name, isCeiling: false, comparison }], failures: 0 };
}

/** The memory of both programs after the same load: one pair, as it is of the whole run. */
async function memoryRows(bench: Bench, turns: Turns, sides: readonly Side[]): Promise<readonly TurnsRow[]> {
  const names = ['memory right after this load', `memory after ${restMs / 1000} s of rest`] as const;
  const [mine, against] = sides.filter(({ role }) => role === 'ours' || role === 'against');
  if (against === undefined || !names.some((name) => wants(bench, name))) return [];
  const memories = (): readonly [Memory, Memory] => [memoryOf(turns.pidsOf(mine!)), memoryOf(turns.pidsOf(against))];
  const loaded = memories();
  turns.goOn();
  await sleep(clock, restMs, bench.signal);
  bench.signal.throwIfAborted();
  const rested = memories();
  return [loaded, rested].map(([one, two], i) => ({
    name: names[i]!,
    unit: 'bytes',
    versus: [{ side: against.name, isCeiling: false, comparison: compare([[one.resident, two.resident]], 'less') }],
    failures: 0,
  }));
}
