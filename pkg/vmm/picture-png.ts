/**
 * Pictures of measured runs as PNG, for whoever shows them where SVG is not taken. Two dots a pixel each way; letters are of dots (`letters.ts`), so that it looks
 * the same on every machine and needs no font. Pure but for the compression, which is the same bytes for the same picture and Node.
 * Source: PNG specification (third edition), chunks IHDR, IDAT, IEND.
 */
import { crc32, deflateSync } from 'node:zlib';
import { letterHang, letterHeight, letterRows, letterWidth } from './letters.ts';
import type { Box, Picture, Words } from './picture.ts';

/** Dots of the file for a pixel of the picture, each way. */
export const dotsPerPixel = 2;
/** Of words that do not say. */
const sizeDefault = 12;
/** Pixels of a letter's height for one dot of it. */
const pixelsPerDot = 5;
const channels = 3;
const white = 0xff;

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Eight bits for each of red, green and blue; no interlacing. */
const trueColour = [8, 2, 0, 0, 0] as const;

/** The file. Throws for a colour that is not written as `#rgb` or `#rrggbb`. */
export function pngOf({ width, height, shapes }: Picture): Buffer {
  const canvas = new Canvas(Math.ceil(width * dotsPerPixel), Math.ceil(height * dotsPerPixel));
  for (const shape of shapes) {
    if (shape.kind === 'box') canvas.drawBox(shape);
    else canvas.drawWords(shape);
  }
  const head = Buffer.alloc(8 + trueColour.length);
  head.writeUInt32BE(canvas.width, 0);
  head.writeUInt32BE(canvas.height, 4);
  head.set(trueColour, 8);
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(canvas.lines())),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(named, 4);
  framed.writeUInt32BE(crc32(named), framed.length - 4);
  return framed;
}

type Colour = readonly [number, number, number];

const black: Colour = [0, 0, 0];

function colourOf(text: string): Colour {
  const [, short, long] = /^#(?:([0-9a-f]{3})|([0-9a-f]{6}))$/i.exec(text) ?? [];
  const digits = long ?? short?.replace(/./g, '$&$&');
  if (digits === undefined) throw new Error(`Cannot draw in the colour ${JSON.stringify(text)}`);
  const part = (at: number): number => Number.parseInt(digits.slice(at, at + 2), 16);
  return [part(0), part(2), part(4)];
}

/** Dots, white before anything is drawn; what lies beyond the edge is left out. */
class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #dots: Buffer;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.#dots = Buffer.alloc(width * height * channels, white);
  }

  drawBox({ x, y, width, height, fill, stroke }: Box): void {
    const [left, top] = [x * dotsPerPixel, y * dotsPerPixel];
    const [across, down] = [width * dotsPerPixel, height * dotsPerPixel];
    if (stroke !== undefined) {
      this.#fill(left - 1, top - 1, { across: across + 2, down: down + 2 }, colourOf(stroke));
      this.#fill(left + 1, top + 1, { across: across - 2, down: down - 2 }, colourOf(fill));
    } else this.#fill(left, top, { across, down }, colourOf(fill));
  }

  drawWords({ x, y, words, size = sizeDefault, anchor, isBold }: Words): void {
    const dot = Math.max(1, Math.floor((size * dotsPerPixel) / (2 * pixelsPerDot)));
    const signs = [...words];
    const across = signs.length * (letterWidth + 1) * dot - dot;
    const before = anchor === 'end' ? across : anchor === 'middle' ? across / 2 : 0;
    const left = x * dotsPerPixel - before;
    const top = y * dotsPerPixel - letterHeight * dot;
    for (const [at, sign] of signs.entries())
      this.#drawLetter(left + at * (letterWidth + 1) * dot, top + letterHang(sign) * dot, {
        sign,
        dot,
        thick: isBold === true ? dot + 1 : dot,
      });
  }

  #drawLetter(
    left: number,
    top: number,
    { sign, dot, thick }: { readonly sign: string; readonly dot: number; readonly thick: number },
  ): void {
    for (const [row, bits] of letterRows(sign).entries())
      for (let column = 0; column < letterWidth; column++)
        if ((bits & (1 << (letterWidth - 1 - column))) !== 0)
          this.#fill(left + column * dot, top + row * dot, { across: thick, down: dot }, black);
  }

  #fill(
    left: number,
    top: number,
    { across, down }: { readonly across: number; readonly down: number },
    colour: Colour,
  ): void {
    const [fromX, fromY] = [Math.max(0, Math.round(left)), Math.max(0, Math.round(top))];
    const toX = Math.min(this.width, Math.round(left + across));
    const toY = Math.min(this.height, Math.round(top + down));
    if (toX <= fromX) return;
    const run = Buffer.alloc((toX - fromX) * channels, Uint8Array.from(colour));
    for (let y = fromY; y < toY; y++) this.#dots.set(run, (y * this.width + fromX) * channels);
  }

  /** Lines as PNG has them, each after the number of its filter, of which none is used. */
  lines(): Buffer {
    const length = this.width * channels;
    const lines = Buffer.alloc(this.height * (length + 1));
    for (let y = 0; y < this.height; y++)
      lines.set(this.#dots.subarray(y * length, (y + 1) * length), y * (length + 1) + 1);
    return lines;
  }
}
