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
