/** Building the indented text of `describe`: labelled lines with their values in one column, and blocks below them. */
import { TableLayout } from './tables.ts';

/** Lines of a description. Labels of one level are padded to a common column. */
export class Description {
  readonly #lines: { readonly depth: number; readonly label: string; readonly value: string | undefined }[] = [];

  /** `label:   value`; an empty value is shown as it is. */
  field(depth: number, label: string, value: string): this {
    this.#lines.push({ depth, label: `${label}:`, value });
    return this;
  }

  /** A label with what follows below it. */
  heading(depth: number, label: string): this {
    this.#lines.push({ depth, label: `${label}:`, value: undefined });
    return this;
  }

  /** A line as it is. */
  line(depth: number, text: string): this {
    this.#lines.push({ depth, label: text, value: undefined });
    return this;
  }

  /** A mapping, one entry a line under a common label. */
  map(depth: number, label: string, entries: Readonly<Record<string, unknown>>, separator = '='): this {
    const lines = Object.entries(entries)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}${separator}${String(value)}`);
    this.field(depth, label, lines[0] ?? '<none>');
    for (const line of lines.slice(1)) this.#lines.push({ depth, label: '', value: line });
    return this;
  }

  /** A table below its label, or `<none>` beside it. */
  table(depth: number, label: string, headers: readonly string[], rows: readonly (readonly string[])[]): this {
    if (rows.length === 0) return this.field(depth, label, '<none>');
    return this.heading(depth, label).rows(depth + 1, headers, rows);
  }

  /** A table whose headers are underlined. */
  rows(depth: number, headers: readonly string[], rows: readonly (readonly string[])[]): this {
    const rules = headers.map((header) => '-'.repeat(header.length));
    for (const line of new TableLayout()
      .render([headers, rules, ...rows])
      .split('\n')
      .slice(0, -1))
      this.line(depth, line);
    return this;
  }

  render(): string {
    const widths = new Map<number, number>();
    for (const { depth, label, value } of this.#lines) {
      if (value !== undefined) widths.set(depth, Math.max(widths.get(depth) ?? 0, label.length));
    }
    return this.#lines
      .map(({ depth, label, value }) => {
        const indent = '  '.repeat(depth);
        return value === undefined
          ? `${indent}${label}\n`
          : `${`${indent}${label.padEnd(widths.get(depth)! + 2)}${value}`.trimEnd()}\n`;
      })
      .join('');
  }
}
