/** The lines that the benchmark prints. Pure. */
import type { Row, RowFacts } from './rows.ts';
import type { Memory } from './server.ts';
import type { StartsRow } from './starts.ts';
import { type Comparison, median } from './statistics.ts';

/** With more than this share of a core used by the clients, the row may have measured them. */
const clientShareMax = 0.9;

/** What a figure is of. */
export type Unit = 'perSecond' | 'ms' | 'seconds' | 'bytes' | 'plain';

/** One row against one other side. */
export interface Versus {
  /** What the other side is called. */
  readonly side: string;
  readonly isCeiling: boolean;
  /** Absent when a side measured nothing. */
  readonly comparison?: Comparison | undefined;
  /** CPU time of the server for one operation: theirs over ours; absent where it is not known. */
  readonly cpuRatio?: number | undefined;
}

/** One row of a measurement in turns. */
export interface TurnsRow {
  readonly name: string;
  readonly unit: Unit;
  readonly versus: readonly Versus[];
  readonly failures: number;
  readonly failure?: string | undefined;
  /** The most of any side. */
  readonly clientShare?: number | undefined;
}

const onceWidths = [52, 13, 9, 9, 8, 20, 7];
const turnsWidths = [52, 13, 13, 7, 14, 6, 5];

function columns(widths: readonly number[], cells: readonly string[]): string {
  return `${cells
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i] ?? 0)))
    .join(' ')
    .trimEnd()}\n`;
}

/** Above the rows of a server that is measured alone. `cpu`: processor time of the server for one operation, which says more than the rate where others use the machine. */
export function onceHeader(): string {
  return columns(onceWidths, ['row', 'operations', 'p50 ms', 'p99 ms', 'cpu µs', 'target', 'ratio']);
}

/** A row of a server that is measured alone. */
export function onceLines(facts: RowFacts, row: Row): string {
  const { target, qualityMost = Number.NaN } = facts;
  const rate = (row.operations * 1000) / row.tookMs;
  const [reached, wanted, ratio] =
    row.quality === undefined
      ? [`${figure(rate)}/s`, rateTarget(facts), target === undefined ? '' : (rate / target).toFixed(2)]
      : [row.quality.toFixed(3), `at most ${qualityMost}`, (qualityMost / row.quality).toFixed(2)];
  const name = facts.name + (row.label ?? '');
  const line = columns(onceWidths, [
    name,
    reached,
    row.p50Ms?.toFixed(2) ?? '-',
    row.p99Ms?.toFixed(2) ?? '-',
    row.serverCpuMs === undefined ? '-' : ((row.serverCpuMs * 1_000) / row.operations).toFixed(0),
    wanted,
    ratio,
  ]);
  return line + remarks(row);
}

function rateTarget({ target, targetP50Ms }: RowFacts): string {
  if (target === undefined) return '';
  return `${figure(target)}/s${targetP50Ms === undefined ? '' : `, p50 ${targetP50Ms}`}`;
}

function remarks(row: Pick<Row, 'failures' | 'failure' | 'clientShare'>): string {
  const lines: string[] = [];
  if (row.failures > 0) lines.push(`  ${row.failures} failed; first: ${row.failure ?? 'unknown'}\n`);
  const share = row.clientShare ?? 0;
  if (share > clientShareMax)
    lines.push(`  the clients used ${Math.round(share * 100)} % of a core: it may be them that was measured\n`);
  return lines.join('');
}

/** Above the rows of servers that are measured in turns; says how to read them. */
export function turnsHeader(ours: string): string {
  const legend = `Ratios are medians within pairs, with quartiles; above 1 ${ours} is better. cpu: the same for CPU time of the server per operation.\n`;
  return legend + columns(turnsWidths, ['row', ours, 'other', 'ratio', 'quartiles', 'cpu', 'pairs']);
}

/** A row that was measured in turns: a line for each other side. */
export function turnsLines(row: TurnsRow): string {
  const lines = row.versus.map(({ side, isCeiling, comparison, cpuRatio }, i) => {
    const name = i === 0 ? row.name : '';
    const title = isCeiling ? `${name === '' ? ' ' : `${name},`} of its ceiling` : name === '' ? `  ${side}` : name;
    if (comparison === undefined) return columns(turnsWidths, [title, '-', '-', '-', '-', '-', '0']);
    const { ours, theirs, ratio, low, high, pairs, isOpen } = comparison;
    return columns(turnsWidths, [
      title,
      amount(ours, row.unit),
      amount(theirs, row.unit),
      ratio.toFixed(3),
      `${low.toFixed(2)} to ${high.toFixed(2)}`,
      cpuRatio?.toFixed(2) ?? '-',
      String(pairs),
      ...(isOpen && !isCeiling ? [' no difference seen'] : []),
    ]);
  });
  return lines.join('') + remarks(row);
}

/** A row about starts of one program: the median. */
export function startAlone({ name, unit, values }: StartsRow): string {
  return columns(onceWidths, [name, amount(median([...values.values()].flat()), unit)]);
}

/** The memory of a cluster that is measured alone. */
export function memoryLine(when: string, { resident, files }: Memory): string {
  return `memory of the cluster ${when}: ${megabytes(resident)} MB, ${megabytes(files)} MB of it files (target 250 MB)\n`;
}

function amount(value: number, unit: Unit): string {
  switch (unit) {
    case 'perSecond':
      return `${figure(value)}/s`;
    case 'ms':
      return `${value.toFixed(2)} ms`;
    case 'seconds':
      return `${value.toFixed(3)} s`;
    case 'bytes':
      return `${megabytes(value)} MB`;
    case 'plain':
      return value.toFixed(3);
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}
