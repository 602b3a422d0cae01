/** The comparison as a picture (SVG): exits and time of each way, and shadow against nested tables. Axes are logarithmic, as the ways are powers of ten apart. */
import { bar, logLength, type Shape, svgOf, text } from '../picture.ts';
import { type Crossing, crossingOf, exitsOf, type Row } from './compare.ts';

const WIDTH = 760;
const BAR = 18;
const LEFT = 150;
const sides = ['shadow', 'nested', 'filled'] as const;
const TOP = 40;
const PLOT = 220;
const colours = {
  exits: '#3b6ea5',
  time: '#c2703d',
  shadow: '#3b6ea5',
  nested: '#c2703d',
  filled: '#5a8f4e',
  crossing: '#eee',
} as const;

function bars(rows: readonly Row[]): readonly Shape[] {
  const whole = WIDTH - LEFT - 130;
  const exitsMost = Math.max(...rows.map(({ counters }) => exitsOf(counters)));
  const timeMost = Math.max(...rows.map(({ milliseconds }) => milliseconds));
  return rows.flatMap(({ name, counters, milliseconds }, index) => {
    const y = TOP + index * (2 * BAR + 12);
    const exits = exitsOf(counters);
    const first = logLength(exits, exitsMost, whole);
    const second = logLength(milliseconds, timeMost, whole);
    return [
      text(LEFT - 8, y + BAR + 3, name, { anchor: 'end' }),
      bar({ x: LEFT, y }, { length: first, height: BAR - 2, fill: colours.exits }),
      text(LEFT + first + 6, y + 13, `${exits.toLocaleString('en')} exits`),
      bar({ x: LEFT, y: y + BAR }, { length: second, height: BAR - 2, fill: colours.time }),
      text(LEFT + second + 6, y + BAR + 13, `${milliseconds.toFixed(0)} ms`),
    ];
  });
}

function curves(
  points: readonly Crossing[],
  top: number,
): { readonly shapes: readonly Shape[]; readonly lines: readonly string[] } {
  const all = points.flatMap((point) => sides.map((side) => point[side].milliseconds));
  const most = Math.max(...all);
  const least = Math.min(...all);
  const last = points.at(-1)?.touchesPerUpdate ?? 1;
  const x = (touches: number): number =>
    LEFT + ((WIDTH - LEFT - 90) * Math.log2(touches)) / Math.max(1, Math.log2(last));
  const y = (value: number): number =>
    top + PLOT - (PLOT * Math.log(value / least)) / Math.max(0.01, Math.log(most / least));
  const line = (side: (typeof sides)[number]): string => {
    const path = points.map(
      (point) => `${x(point.touchesPerUpdate).toFixed(1)},${y(point[side].milliseconds).toFixed(1)}`,
    );
    return `<polyline points="${path.join(' ')}" fill="none" stroke="${colours[side]}" stroke-width="2"/>`;
  };
  const labels = points
    .slice(-1)
    .flatMap((end) => sides.map((side) => text(x(end.touchesPerUpdate) + 6, y(end[side].milliseconds) + 4, side)));
  const ticks = points.map(({ touchesPerUpdate }) =>
    text(x(touchesPerUpdate), top + PLOT + 18, String(touchesPerUpdate), { anchor: 'middle' }),
  );
  const between = crossingOf(points, ({ milliseconds }) => milliseconds)?.map(x);
  const shapes = [
    ...crossingShapes(between, top),
    text(LEFT, top - 28, 'Shadow tables, nested ones, and a buffer that is filled: time by touches per entry written'),
    text(LEFT, top - 12, 'Each touch misses the translation buffer. Both scales are logarithmic.'),
    text(LEFT - 8, top + 8, `${most.toFixed(0)} ms`, { anchor: 'end' }),
    text(LEFT - 8, top + PLOT, `${least.toFixed(0)} ms`, { anchor: 'end' }),
    ...labels,
    ...ticks,
  ];
  return { shapes, lines: sides.map(line) };
}

/** The stretch in which shadow and nested tables change places, where they do. */
function crossingShapes(between: readonly number[] | undefined, top: number): readonly Shape[] {
  if (between === undefined) return [];
  const [from = LEFT, to = LEFT] = between;
  return [
    bar({ x: from, y: top }, { length: to - from, height: PLOT, fill: colours.crossing }),
    text((from + to) / 2, top + 12, 'they change places', { anchor: 'middle' }),
  ];
}

/** The picture of measured runs; without points it is of the ways alone. */
export function picture(rows: readonly Row[], points: readonly Crossing[]): string {
  const top = TOP + rows.length * (2 * BAR + 12) + 50;
  const { shapes, lines } = points.length === 0 ? { shapes: [], lines: [] } : curves(points, top);
  const height = points.length === 0 ? top - 30 : top + PLOT + 40;
  const all = [
    text(LEFT, TOP - 16, 'The same work under each way. The scale is logarithmic.'),
    ...bars(rows),
    ...shapes,
  ];
  return svgOf({ width: WIDTH, height, shapes: all }, lines);
}
