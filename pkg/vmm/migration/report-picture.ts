/**
 * How a migration went, as a picture: what each round sent and what was written meanwhile, what pages came to by their class, how pages of a post-copy came, and how
 * long the machine stood still. Pure; takes figures as they are served, in which whatever is not known is left out.
 */
import { type BarRow, barRows, barsWidth, type Picture, type Shape, text } from '../picture.ts';

const colours = { sent: '#3b6ea5', written: '#c2703d', raw: '#b9c4cf' } as const;

/** One round, as it is served. */
interface ReportRound {
  readonly round: number;
  readonly pages: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly dirtied: number;
}

/** What a picture is drawn of. */
export interface MigrationReport {
  /** Such as `store: pre-copy from n1 to n2`. */
  readonly title: string;
  readonly rounds: readonly ReportRound[];
  readonly classes: readonly {
    readonly name: string;
    readonly pages: number;
    readonly rawBytes: number;
    readonly sentBytes: number;
    readonly cpuMs: number;
  }[];
  readonly downtimeMs: number | undefined;
  /** Of a post-copy: pages by how they came. */
  readonly faults: number;
  readonly prePaged: number;
  readonly pushed: number;
}

/** Draws a report. */
export function migrationPicture(report: MigrationReport): Picture {
  const { downtimeMs, title } = report;
  const stood = downtimeMs === undefined ? 'not known' : `${downtimeMs.toFixed(1)} ms`;
  const shapes: Shape[] = [text(20, 24, title, { size: 15 }), text(20, 44, `It stood still for: ${stood}`)];
  let top = 76;
  const add = (heading: string, rows: readonly BarRow[]): void => {
    if (rows.length === 0) return;
    const drawn = barRows(rows, top + 12);
    shapes.push(text(20, top, heading), ...drawn.shapes);
    top = drawn.bottom + 30;
  };
  add('Pages sent in each round, and pages written meanwhile', report.rounds.map(roundRow));
  add(
    'Pages by what they are: bytes, and what was sent for them',
    report.classes.filter(({ pages }) => pages > 0).map(classRow),
  );
  add('Pages after the machine arrived, by how they came', arrivals(report));
  return { width: barsWidth, height: top, shapes };
}

/** Pages that were written in a second of a round. */
export function dirtyRate({ dirtied, durationMs }: ReportRound): number {
  return durationMs <= 0 ? 0 : (dirtied * 1000) / durationMs;
}

function roundRow(round: ReportRound): BarRow {
  const { pages, bytes, durationMs, dirtied } = round;
  return {
    name: `round ${round.round}`,
    bars: [
      { value: pages, fill: colours.sent, label: `${pages} pages, ${kib(bytes)} in ${durationMs.toFixed(0)} ms` },
      { value: dirtied, fill: colours.written, label: `${dirtied} written, ${dirtyRate(round).toFixed(0)} a second` },
    ],
  };
}

function classRow({ name, pages, rawBytes, sentBytes, cpuMs }: MigrationReport['classes'][number]): BarRow {
  return {
    name,
    bars: [
      { value: rawBytes, fill: colours.raw, label: `${pages} pages, ${kib(rawBytes)}` },
      { value: sentBytes, fill: colours.sent, label: `${kib(sentBytes)} sent, ${cpuMs.toFixed(1)} ms of processor` },
    ],
  };
}

function arrivals({ faults, prePaged, pushed }: MigrationReport): readonly BarRow[] {
  if (faults + prePaged + pushed === 0) return [];
  const row = (name: string, value: number): BarRow => ({
    name,
    bars: [{ value, fill: colours.sent, label: `${value}` }],
  });
  return [row('faults', faults), row('pre-paged', prePaged), row('pushed', pushed)];
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(bytes < 10_240 ? 1 : 0)} KiB`;
}
