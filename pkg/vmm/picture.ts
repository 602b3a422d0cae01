/** What pictures (SVG) of measured runs are made of. Pure. */

/** A whole picture of that size, in pixels, on white. */
export function pictureOf(size: { readonly width: number; readonly height: number }, parts: readonly string[]): string {
  const both = `width="${size.width}" height="${size.height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${both} viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">`,
    `<rect ${both} fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** A line of text; `more` are further attributes. */
export function text(x: number, y: number, words: string, more = ''): string {
  const escaped = words.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return `<text x="${x.toFixed(1)}" y="${y}" ${more}>${escaped}</text>`;
}

/** A bar that begins at `x` and `y`. */
export function bar(
  { x, y }: { readonly x: number; readonly y: number },
  { length, height, fill }: { readonly length: number; readonly height: number; readonly fill: string },
): string {
  return `<rect x="${x}" y="${y}" width="${length.toFixed(1)}" height="${height}" fill="${fill}"/>`;
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
export function barRows(rows: readonly BarRow[], top: number): { readonly part: string; readonly bottom: number } {
  const most = Math.max(...rows.flatMap(({ bars }) => bars.map(({ value }) => value)));
  let bottom = top;
  const parts = rows.flatMap(({ name, bars }) => {
    const begin = bottom;
    bottom += bars.length * thickness + gap;
    return [
      text(left - 8, begin + thickness - 3, name, 'text-anchor="end"'),
      ...bars.flatMap(({ value, fill, label }, at) => {
        const length = logLength(value, most, plot);
        const y = begin + at * thickness;
        return [
          bar({ x: left, y }, { length, height: thickness - 2, fill }),
          text(left + length + 6, y + thickness - 4, label, 'font-size="10"'),
        ];
      }),
    ];
  });
  return { part: parts.join('\n'), bottom };
}
