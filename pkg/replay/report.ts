/** Two or more runs side by side: as a table, and as a picture (SVG) of the nodes in use and the pods that wait. Pure. */
import { humanDuration } from '#pkg/apimachinery/time.ts';
import type { RunFigures, RunPoint } from './pod-history.ts';

/** A run with its name. */
export interface NamedRun {
  readonly name: string;
  readonly endMs: number;
  readonly figures: RunFigures;
  readonly points: readonly RunPoint[];
}

const waited = (ms: number): string => (ms < 10_000 ? `${ms}ms` : humanDuration(ms));

const rowsOf: readonly (readonly [string, (figures: RunFigures, run: NamedRun) => string])[] = [
  ['time', (_figures, { endMs }) => humanDuration(endMs)],
  ['pods', ({ pods }) => `${pods}`],
  ['placed', ({ placed }) => `${placed}`],
  ['waiting at the end', ({ waiting }) => `${waiting}`],
  ['pending, mean', ({ pendingMeanMs }) => waited(pendingMeanMs)],
  ['pending, 95th percentile', ({ pendingP95Ms }) => waited(pendingP95Ms)],
  ['pending, longest', ({ pendingMaxMs }) => waited(pendingMaxMs)],
  ['evictions', ({ evictions }) => `${evictions}`],
  ['nodes used, mean', ({ nodesUsedMean }) => `${nodesUsedMean}`],
  ['nodes used, most', ({ nodesUsedMax }) => `${nodesUsedMax}`],
];

/** The rows of a table, the first of them its head. */
export function comparison(runs: readonly NamedRun[]): readonly (readonly string[])[] {
  return [
    ['', ...runs.map(({ name }) => name.toUpperCase())],
    ...rowsOf.map(([title, text]) => [title, ...runs.map((run) => text(run.figures, run))]),
  ];
}

const width = 900;
const height = 200;
const margin = 50;
const columns = 600;
const colours = ['#999999', '#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#8c564b'];

/** The picture. */
export function picture(runs: readonly NamedRun[]): string {
  const endMs = Math.max(1, ...runs.map((run) => run.endMs));
  const charts = [
    chart(runs, { endMs, top: 40, title: 'nodes in use', value: ({ nodesUsed }) => nodesUsed }),
    chart(runs, { endMs, top: 40 + height + 2 * margin, title: 'pods that wait', value: ({ pending }) => pending }),
  ];
  const legend = runs.map(
    ({ name }, at) => `<text x="${margin + at * 150}" y="20" fill="${colourOf(at)}">${escaped(name)}</text>`,
  );
  const total = 2 * (height + margin) + 2 * margin;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width + 2 * margin} ${total}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    ...legend,
    ...charts,
    '</svg>',
    '',
  ].join('\n');
}

const colourOf = (at: number): string => colours[at % colours.length] ?? 'black';

interface Chart {
  readonly endMs: number;
  readonly top: number;
  readonly title: string;
  readonly value: (point: RunPoint) => number;
}

function chart(runs: readonly NamedRun[], { endMs, top, title, value }: Chart): string {
  const most = Math.max(1, ...runs.flatMap(({ points }) => points.map(value)));
  const bottom = top + height;
  const lines = runs.map(({ points }, index) => {
    const path = bucketsOf(points, endMs, value).map((amount, at) => {
      const x = margin + (at * width) / columns;
      const y = bottom - (amount / most) * height;
      return `${at === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    return `<path d="${path.join('')}" fill="none" stroke="${colourOf(index)}" stroke-width="1.5"/>`;
  });
  return [
    `<text x="${margin}" y="${top - 6}">${title}</text>`,
    `<path d="M${margin} ${top}V${bottom}H${margin + width}" fill="none" stroke="black"/>`,
    `<text x="${margin - 6}" y="${top + 8}" text-anchor="end">${most}</text>`,
    `<text x="${margin - 6}" y="${bottom}" text-anchor="end">0</text>`,
    `<text x="${margin + width}" y="${bottom + 16}" text-anchor="end">${humanDuration(endMs)}</text>`,
    ...lines,
  ].join('\n');
}

/** The most in each column of the picture. */
function bucketsOf(points: readonly RunPoint[], endMs: number, value: (point: RunPoint) => number): readonly number[] {
  const buckets: number[] = [];
  let at = 0;
  let last = 0;
  for (let column = 0; column < columns; column++) {
    const untilMs = ((column + 1) * endMs) / columns;
    let most = last;
    for (let point = points[at]; point !== undefined && point.ms <= untilMs; point = points[++at]) {
      last = value(point);
      most = Math.max(most, last);
    }
    buckets.push(most);
  }
  return buckets;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
