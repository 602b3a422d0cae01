/** Why a text is no time, in Go's words: it is read element by element, as its layout has them. Source: Go `time.Parse`. */

/** The layout of a `Time`, as Go writes it. */
const timeLayout = '2006-01-02T15:04:05Z07:00';
/** The layout of a `MicroTime`. */
export const microTimeLayout = '2006-01-02T15:04:05.000000Z07:00';

interface Element {
  /** The element in the layout. */
  readonly name: string;
  readonly pattern: RegExp;
  /** What its number is called, and its bounds. */
  readonly range?: readonly [string, number, number];
}

const literal = (name: string): Element => ({ name, pattern: new RegExp(`^${name}`) });
const twoDigits = /^\d\d/;

const toSeconds: readonly Element[] = [
  { name: '2006', pattern: /^\d{4}/ },
  literal('-'),
  { name: '01', pattern: twoDigits, range: ['month', 1, 12] },
  literal('-'),
  { name: '02', pattern: twoDigits },
  literal('T'),
  { name: '15', pattern: /^\d\d?/, range: ['hour', 0, 23] },
  literal(':'),
  { name: '04', pattern: twoDigits, range: ['minute', 0, 59] },
  literal(':'),
  { name: '05', pattern: twoDigits, range: ['second', 0, 59] },
];
const zone: Element = { name: 'Z07:00', pattern: /^(?:Z|[-+]\d\d:\d\d)/ };

const elements: Readonly<Record<string, readonly Element[]>> = {
  [timeLayout]: [...toSeconds, { name: '', pattern: /^(?:[.,]\d+)?/ }, zone],
  [microTimeLayout]: [...toSeconds, { name: '.000000', pattern: /^[.,]\d{6}/ }, zone],
};

/** The sentence for a text that is no time of the layout. */
export function timeError(text: string, layout = timeLayout): string {
  let rest = text;
  for (const { name, pattern, range } of elements[layout] ?? []) {
    const found = pattern.exec(rest)?.[0];
    if (found === undefined) {
      const place = `cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(name)}`;
      return `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: ${place}`;
    }
    if (range !== undefined && (Number(found) < range[1] || Number(found) > range[2])) {
      return `parsing time ${JSON.stringify(text)}: ${range[0]} out of range`;
    }
    rest = rest.slice(found.length);
  }
  if (rest !== '') return `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`;
  return `parsing time ${JSON.stringify(text)}: day out of range`;
}
