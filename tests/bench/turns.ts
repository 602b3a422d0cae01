/**
 * Measures several servers by the same rows in turns, so that what the machine does besides, which changes from minute to minute, is the same
 * for all of them. Our servers that are not having their turn are halted (SIGSTOP): what a server does when it is idle, such as giving
 * memory back, must not take from the one that is measured; and a server that goes on does what was due meanwhile before its turn counts.
 *
 * Invariant: each turn finds its server as the turn before did, as rows take their traces away, and the two that are compared do the same
 * number of operations.
 */
import type { Clients } from './clients.ts';
import type { TurnsRow, Unit, Versus } from './report.ts';
import type { Limit, Row, RowFacts } from './rows.ts';
import { cpuMsOf, halt, type Server } from './server.ts';
import type { BenchSizes } from './session.ts';
import { type Better, compare, rotation } from './statistics.ts';

/** One server in the rotation. */
export interface Side {
  readonly name: string;
  /** `ours` is compared with each of the others; `against` is the same program at another commit. */
  readonly role: 'ours' | 'against' | 'other' | 'ceiling';
  readonly server: Server;
}

/** What is measured, and how often. */
export interface TurnsPlan {
  readonly clients: Pick<Clients, 'call'>;
  /** `ours` is the first. */
  readonly sides: readonly Side[];
  readonly sizes: BenchSizes;
  readonly wants: (name: string) => boolean;
  readonly pairs: number;
  /** For rows that take many seconds each. */
  readonly longPairs: number;
  readonly signal: AbortSignal;
}

/** Pods that are there for rows to read and change. */
const poolPods = 2_000;

/** What is done before a turn to warm up, as a share of the turn. */
const warmingShare = 0.15;

/** A turn is ended at this many times the time it was planned for, whatever has been done by then. */
const overdueFactor = 20;

interface OpenSide extends Side {
  readonly pids: readonly number[];
}

/** What a turn came to. */
interface Turn {
  readonly row: Row;
  /** CPU time of the server for one operation; absent where its processes are not known. */
  readonly cpuMs: number | undefined;
}

/** The rotation. */
export class Turns {
  readonly #plan: TurnsPlan;
  readonly #sides: OpenSide[] = [];
  #rows: readonly RowFacts[] = [];
  #paddingBytes = 0;

  constructor(plan: TurnsPlan) {
    this.#plan = plan;
  }

  /** Connects to each side and makes what rows need. */
  async open(): Promise<void> {
    for (const side of this.#plan.sides) await this.#open(side);
  }

  /** Whether the rows to measure have a ceiling. */
  get wantsCeiling(): boolean {
    return this.#wanted().some(([, facts]) => facts.hasCeiling);
  }

  /** Adds a server that gives what ours answered: `start` is given a file to which those answers are written. */
  async addCeiling(file: string, start: () => Promise<Server>): Promise<void> {
    const [ours] = this.#sides;
    this.#focus(ours!);
    await this.#plan.clients.call('capture', { side: ours!.name, file });
    await this.#open({ name: 'ceiling', role: 'ceiling', server: await start() });
  }

  /** Measures each row on all sides, and gives it as soon as it is done. */
  async *measure(): AsyncGenerator<TurnsRow> {
    for (const [index, facts] of this.#wanted()) yield await this.#measureRow(index, facts);
  }

  /** Deletes what was made on servers of others: ours are thrown away with all they have. */
  async close(): Promise<void> {
    this.goOn();
    for (const { name, pids } of this.#sides)
      await this.#plan.clients.call(pids.length === 0 ? 'close' : 'forget', { side: name });
  }

  /** The processes of a side, known since it was connected to; it may be halted. */
  pidsOf(side: Side): readonly number[] {
    return this.#sides.find(({ name }) => name === side.name)!.pids;
  }

  /** Lets all servers run. */
  goOn(): void {
    for (const { pids } of this.#sides) halt(pids, false);
  }

  /** The rows that are wanted, with their places. */
  #wanted(): readonly (readonly [number, RowFacts])[] {
    return [...this.#rows.entries()].filter(([, { name }]) => this.#plan.wants(name));
  }

  async #open(side: Side): Promise<void> {
    const opened = { ...side, pids: await side.server.pids() };
    this.#sides.push(opened);
    this.#focus(opened);
    const { paddingBytes, rows } = await this.#plan.clients.call('open', {
      side: side.name,
      kubeconfig: side.server.kubeconfig,
      sizes: this.#plan.sizes,
      poolPods,
      ...(side.role === 'ceiling' && { paddingBytes: this.#paddingBytes }),
    });
    if (side.role !== 'ours') return;
    this.#rows = rows;
    this.#paddingBytes = paddingBytes;
  }

  /** Halts all sides but one. */
  #focus(side: OpenSide): void {
    for (const other of this.#sides) if (other !== side && other.server.goesOn !== true) halt(other.pids, true);
    halt(side.pids, false);
  }

  async #measureRow(index: number, facts: RowFacts): Promise<TurnsRow> {
    const sides = this.#sides.filter(({ role }) => role !== 'ceiling' || facts.hasCeiling);
    const limits = await this.#limits(sides, { index, isLong: facts.isLong === true });
    const turns = new Map<OpenSide, Turn[]>(sides.map((side) => [side, []]));
    for (const round of rotation(sides, facts.isLong ? this.#plan.longPairs : this.#plan.pairs))
      for (const side of round) turns.get(side)!.push(await this.#turn(side, index, limits.get(side)!));
    return summary(facts, turns);
  }

  /**
   * How much each side is to do in a turn: what it did in the second of two that do not count, as the first finds code that was never run. Ours
   * and that of the other commit do the same, the less of what they did. Long rows know for themselves.
   */
  async #limits(
    sides: readonly OpenSide[],
    { index, isLong }: { readonly index: number; readonly isLong: boolean },
  ): Promise<ReadonlyMap<OpenSide, Limit>> {
    const { rowMs } = this.#plan.sizes;
    if (isLong) return new Map(sides.map((side) => [side, { durationMs: rowMs }]));
    const done = new Map<OpenSide, number>();
    for (const side of sides) {
      await this.#turn(side, index, { durationMs: rowMs });
      const { row } = await this.#turn(side, index, { durationMs: rowMs });
      done.set(side, Math.max(1, row.operations));
    }
    const isPaired = ({ role }: Side): boolean => role === 'ours' || role === 'against';
    const paired = Math.min(...sides.filter(isPaired).map((side) => done.get(side)!));
    const durationMs = rowMs * overdueFactor;
    return new Map(
      sides.map((side) => [side, { durationMs, operationsMax: isPaired(side) ? paired : done.get(side)! }]),
    );
  }

  /** One turn, after a short one that does not count: a server that goes on has memory to fetch and code to compile again. */
  async #turn(side: OpenSide, row: number, limit: Limit): Promise<Turn> {
    this.#focus(side);
    const { operationsMax } = limit;
    if (operationsMax !== undefined)
      await this.#run(side, row, { ...limit, operationsMax: Math.ceil(operationsMax * warmingShare) });
    return this.#run(side, row, limit);
  }

  async #run(side: OpenSide, row: number, limit: Limit): Promise<Turn> {
    const { clients, signal } = this.#plan;
    signal.throwIfAborted();
    const task = { side: side.name, row, limit };
    await clients.call('prepare', task);
    const before = cpuMsOf(side.pids);
    const measured = await clients.call('measure', task);
    const cpuMs = cpuMsOf(side.pids) - before;
    await clients.call('restore', task);
    return { row: measured, cpuMs: side.pids.length === 0 ? undefined : cpuMs / measured.operations };
  }
}

const comparedBy: Readonly<
  Record<NonNullable<RowFacts['by']>, { unit: Unit; better: Better; value: (row: Row) => number }>
> = {
  rate: { unit: 'perSecond', better: 'more', value: ({ operations, tookMs }) => (operations * 1000) / tookMs },
  p50: { unit: 'ms', better: 'less', value: ({ p50Ms = Number.NaN }) => p50Ms },
  quality: { unit: 'plain', better: 'less', value: ({ quality = Number.NaN }) => quality },
};

/** Compares our side, which comes first, with each of the others. */
function summary(facts: RowFacts, turns: ReadonlyMap<Side, readonly Turn[]>): TurnsRow {
  const { unit, better, value } = comparedBy[facts.by ?? 'rate'];
  const [ours, ...others] = [...turns];
  const pairs = (theirs: readonly Turn[], of: (turn: Turn) => number) =>
    theirs.map((turn, round) => [of(ours![1][round]!), of(turn)] as const);
  const versus = others.map(
    ([{ name, role }, theirs]): Versus => ({
      side: name,
      isCeiling: role === 'ceiling',
      comparison: compare(
        pairs(theirs, ({ row }) => value(row)),
        better,
      ),
      cpuRatio: compare(
        pairs(theirs, ({ cpuMs = Number.NaN }) => cpuMs),
        'less',
      )?.ratio,
    }),
  );
  const all = [...turns.values()].flat();
  const failed = [...turns].flatMap(([{ name }, some]) =>
    some.flatMap(({ row }) => (row.failure === undefined ? [] : [`${name}: ${row.failure}`])),
  );
  return {
    name: facts.name + (all[0]?.row.label ?? ''),
    unit,
    versus,
    failures: all.reduce((sum, { row }) => sum + row.failures, 0),
    failure: failed[0],
    clientShare: Math.max(...all.map(({ row }) => row.clientShare ?? 0)),
  };
}
