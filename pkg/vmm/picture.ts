/** What pictures of measured runs are made of, and how they are written as SVG. Pure; `picture-png.ts` makes dots of them. */

/** A filled rectangle, in pixels; `stroke` is the colour of its edge. */
export interface Box {
  readonly kind: 'box';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fill: string;
  readonly stroke?: string;
}

/** How words are set. Default: 12 pixels high, from `x` on, not bold. */
export interface Lettering {
  readonly size?: number;
  readonly anchor?: 'end' | 'middle';
  readonly isBold?: true;
}

/** A line of text that stands on `y`. */
export interface Words extends Lettering {
  readonly kind: 'words';
  readonly x: number;
  readonly y: number;
  readonly words: string;
}

/** One thing in a picture. */
export type Shape = Box | Words;

/** A whole picture, in pixels, on white; what is later in it lies above. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly shapes: readonly Shape[];
}

/** As SVG, with what else there is of it (`more`, as SVG) above. */
export function svgOf({ width, height, shapes }: Picture, more: readonly string[] = []): string {
  const both = `width="${width}" height="${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${both} viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect ${both} fill="#fff"/>`,
    ...shapes.map(svgShape),
    ...more,
    '</svg>',
    '',
  ].join('\n');
}

function svgShape(shape: Shape): string {
  if (shape.kind === 'box') {
    const { x, y, width, height, fill, stroke } = shape;
    const edge = stroke === undefined ? '' : ` stroke="${stroke}"`;
    return `<rect x="${x}" y="${y}" width="${numberText(width)}" height="${height}" fill="${fill}"${edge}/>`;
  }
  const { x, y, words, size, anchor, isBold } = shape;
  const attributes = [
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
    size === undefined ? '' : ` font-size="${size}"`,
    isBold === true ? ' font-weight="bold"' : '',
  ].join('');
  const escaped = words.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return `<text x="${numberText(x)}" y="${y}"${attributes}>${escaped}</text>`;
}

/** With a tenth of a pixel at most. */
function numberText(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A line of text. */
export function text(x: number, y: number, words: string, lettering: Lettering = {}): Words {
  return { kind: 'words', x, y, words, ...lettering };
}

/** A bar that begins at `x` and `y`. */
export function bar(
  { x, y }: { readonly x: number; readonly y: number },
  { length, height, fill }: { readonly length: number; readonly height: number; readonly fill: string },
): Box {
  return { kind: 'box', x, y, width: length, height, fill };
}

/** Length on a logarithmic axis of the length `whole` that ends at `most`; 0 for what is not above 0. */
export function logLength(value: number, most: number, whole: number): number {
  return value <= 0 ? 0 : (whole * Math.log10(1 + value)) / Math.log10(1 + Math.max(most, 1));
}

/** Width of a picture of bars. */
export const barsWidth = 760;
const left = 150;
const plot = 430;
const thickness = 14;
const gap = 10;

/** One bar with what is written behind it. */
export interface Bar {
  readonly value: number;
  readonly fill: string;
  readonly label: string;
}

/** Bars of one thing, below each other. */
export interface BarRow {
  readonly name: string;
  readonly bars: readonly Bar[];
}

/** Rows of bars, all on one logarithmic scale, as what is measured is powers of ten apart; and where what follows may begin. */
export function barRows(
  rows: readonly BarRow[],
  top: number,
): { readonly shapes: readonly Shape[]; readonly bottom: number } {
  const most = Math.max(...rows.flatMap(({ bars }) => bars.map(({ value }) => value)));
  let bottom = top;
  const shapes = rows.flatMap(({ name, bars }) => {
    const begin = bottom;
    bottom += bars.length * thickness + gap;
    return [
      text(left - 8, begin + thickness - 3, name, { anchor: 'end' }),
      ...bars.flatMap(({ value, fill, label }, at) => {
        const length = logLength(value, most, plot);
        const y = begin + at * thickness;
        return [
          bar({ x: left, y }, { length, height: thickness - 2, fill }),
          text(left + length + 6, y + thickness - 4, label, { size: 10 }),
        ];
      }),
    ];
  });
  return { shapes, bottom };
}
