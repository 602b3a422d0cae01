/** Moves of one machine by different modes beside each other: how long each took, how long the machine stood still, what was sent, what it waited for afterwards. Pure; as cells of a table, and as a picture. */
import { bytesText } from '#pkg/base/bytes-text.ts';
import { type BarRow, barRows, barsWidth, type Picture, type Shape, text } from '../picture.ts';

/** One move. */
export interface ModeOutcome {
  readonly mode: string;
  /** From the beginning until nothing more was sent. */
  readonly totalMs: number;
  /** Unknown of a machine that was off. */
  readonly downtimeMs: number | undefined;
  readonly sentBytes: number;
  readonly pages: number;
  readonly rounds: number;
  readonly faults: number;
  /** Of the source's processor, for the pages. */
  readonly cpuMs: number;
}

/** What the cells of `modeCells` are. */
export const modesHead: readonly string[] = [
  ...['MODE', 'TIME', 'STOOD STILL', 'SENT', 'PAGES', 'ROUNDS', 'FAULTS', 'PROCESSOR'],
];

/** A row of a table. */
export function modeCells(outcome: ModeOutcome): readonly string[] {
  const { mode, totalMs, downtimeMs, sentBytes, pages, rounds, faults, cpuMs } = outcome;
  return [
    ...[mode, `${totalMs.toFixed(0)} ms`, downtimeMs === undefined ? '' : stoodText(downtimeMs)],
    ...[bytesText(sentBytes), String(pages), String(rounds), String(faults), `${cpuMs.toFixed(1)} ms`],
  ];
}

/** What textbooks draw of modes: time in all, time for which the machine stands still, what is sent, pages that it waits for. */
const drawn: readonly {
  readonly heading: string;
  readonly fill: string;
  value(outcome: ModeOutcome): number;
  label(outcome: ModeOutcome): string;
}[] = [
  {
    heading: 'From the beginning until nothing more is sent',
    fill: '#3b6ea5',
    value: ({ totalMs }) => totalMs,
    label: ({ totalMs }) => `${totalMs.toFixed(0)} ms`,
  },
  {
    heading: 'Time for which it stands still',
    fill: '#c2703d',
    value: ({ downtimeMs = 0 }) => downtimeMs,
    label: ({ downtimeMs }) => (downtimeMs === undefined ? 'not known' : stoodText(downtimeMs)),
  },
  {
    heading: 'What is sent',
    fill: '#5a8f4e',
    value: ({ sentBytes }) => sentBytes / 1024,
    label: ({ sentBytes, pages }) => `${bytesText(sentBytes)}, ${pages} pages`,
  },
  {
    heading: 'Pages that it waits for after it has arrived',
    fill: '#8a6fb0',
    value: ({ faults }) => faults,
    label: ({ faults }) => String(faults),
  },
];

/** Draws moves beside each other; each scale is logarithmic. */
export function modesPicture(title: string, outcomes: readonly ModeOutcome[]): Picture {
  const shapes: Shape[] = [text(20, 24, title, { size: 15 })];
  let top = 56;
  for (const { heading, fill, value, label } of drawn) {
    const rows = outcomes.map(
      (outcome): BarRow => ({
        name: outcome.mode,
        bars: [{ value: value(outcome), fill, label: label(outcome) }],
      }),
    );
    const { shapes: bars, bottom } = barRows(rows, top + 12);
    shapes.push(text(20, top, heading), ...bars);
    top = bottom + 30;
  }
  return { width: barsWidth, height: top, shapes };
}

function stoodText(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
