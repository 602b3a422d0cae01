/**
 * Building the text of `describe`: lines whose cells are separated by tabs, which are laid out when all of them are there. A column is as wide as
 * the widest of its cells on lines that follow each other, and two spaces. Source: kubectl `describe/describe.go`, Go `text/tabwriter`.
 */

const padding = 2;
/** Longest annotation on the line of its key. Source: kubectl `describe.go`. */
const annotationLengthMax = 140;
/** What `kubectl apply` notes for itself. */
const hiddenAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** Lines of a description. */
export class Description {
  readonly #lines: string[] = [];

  /** A line as it is, below `depth` headings. */
  line(depth: number, text: string): this {
    this.#lines.push(`${'  '.repeat(depth)}${text}`);
    return this;
  }

  /** `label:   value`; an empty value is shown as it is. */
  field(depth: number, label: string, value: string): this {
    return this.line(depth, `${label}:\t${value}`);
  }

  /** A label with what follows below it. */
  heading(depth: number, label: string): this {
    return this.line(depth, `${label}:`);
  }

  /** A mapping, one entry a line under a common label. */
  map(depth: number, label: string, entries: Readonly<Record<string, unknown>>): this {
    return this.list(
      depth,
      label,
      sorted(entries).map(([key, value]) => `${key}=${String(value)}`),
    );
  }

  /** Annotations: long ones, and those with several lines, below their key. */
  annotations(depth: number, entries: Readonly<Record<string, unknown>>): this {
    const shown = sorted(entries).filter(([key]) => key !== hiddenAnnotation);
    const lines = shown.flatMap(([key, value]) => {
      const text = String(value).replace(/\n$/, '');
      if (text.length + key.length + 2 <= annotationLengthMax && !text.includes('\n')) return [`${key}: ${text}`];
      return [`${key}:`, ...text.split('\n').map((line) => `  ${shorten(line)}`)];
    });
    return this.list(depth, 'Annotations', lines);
  }

  /** Values under a common label, one a line; `<none>` when there are none. */
  list(depth: number, label: string, values: readonly string[]): this {
    this.field(depth, label, values[0] ?? '<none>');
    for (const value of values.slice(1)) this.line(depth, `\t${value}`);
    return this;
  }

  /** A table below its label, or `<none>` beside it. */
  table(depth: number, label: string, headers: readonly string[], rows: readonly (readonly string[])[]): this {
    if (rows.length === 0) return this.field(depth, label, '<none>');
    return this.heading(depth, label).rows(depth + 1, headers, rows);
  }

  /** A table whose headers are underlined. */
  rows(depth: number, headers: readonly string[], rows: readonly (readonly string[])[]): this {
    for (const cells of [headers, headers.map((header) => '-'.repeat(header.length)), ...rows])
      this.line(depth, cells.join('\t'));
    return this;
  }

  /** The text with its columns laid out. */
  render(): string {
    return alignTabs(this.#lines.flatMap((line) => line.split('\n')));
  }

  /** The text with its tabs. */
  renderTabs(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }
}

function sorted(entries: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  return Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
}

function shorten(text: string): string {
  const lengthMax = annotationLengthMax - 2;
  return text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
}

/** Lines with spaces in place of tabs. What follows the last tab of a line is in no column. */
function alignTabs(lines: readonly string[]): string {
  const rows = lines.map((line) => line.split('\t').map((cell) => cell.replaceAll('\r', '\\r')));
  const widths: number[][] = rows.map(() => []);
  for (const [index, row] of rows.entries()) {
    for (let column = 0; column < row.length - 1; column++) {
      if (widths[index]?.[column] !== undefined) continue;
      const after = rows.findIndex((one, line) => line >= index && one.length - 1 <= column);
      const end = after < 0 ? rows.length : after;
      const block = rows.slice(index, end);
      const width = Math.max(...block.map((one) => [...(one[column] ?? '')].length)) + padding;
      for (const line of widths.slice(index, end)) line[column] = width;
    }
  }
  return rows
    .map((row, index) => `${row.map((cell, column) => cell + spaces(cell, widths[index]?.[column] ?? 0)).join('')}\n`)
    .join('');
}

function spaces(cell: string, width: number): string {
  return ' '.repeat(Math.max(0, width - [...cell].length));
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time as people write it, in the zone of this machine; `''` for none. Source: RFC 1123, with a numeric zone. */
export function longTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const two = (value: number): string => String(value).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${days[date.getDay()]}, ${two(date.getDate())} ${months[date.getMonth()]} ${date.getFullYear()}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}
