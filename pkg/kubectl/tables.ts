/** Columns of text, laid out as kubectl does: as wide as the widest cell and three spaces, and at least six, unless told otherwise. */

/** How wide columns are beyond their widest cell, and at least. Source: cli-runtime `printers/tabwriter.go`. */
export interface ColumnWidths {
  readonly padding: number;
  readonly widthMin: number;
}

const tableWidths: ColumnWidths = { padding: 3, widthMin: 6 };

/** Lays out rows; column widths only grow from call to call, so that rows of a watch stay under their headers. */
export class TableLayout {
  readonly #widths: number[] = [];
  readonly #columns: ColumnWidths;

  constructor(columns = tableWidths) {
    this.#columns = columns;
  }

  /** The rows as lines, each with a newline. Cells lose their line breaks. */
  render(rows: readonly (readonly string[])[]): string {
    const clean = rows.map((row) => row.map((cell) => cell.replace(/\n[\s\S]*$/, '...')));
    for (const row of clean) {
      for (const [index, cell] of row.entries()) {
        if (index === row.length - 1) continue;
        const width = Math.max(this.#columns.widthMin, [...cell].length + this.#columns.padding);
        this.#widths[index] = Math.max(this.#widths[index] ?? 0, width);
      }
    }
    return clean
      .map(
        (row) =>
          `${row.map((cell, index) => (index === row.length - 1 ? cell : pad(cell, this.#widths[index] ?? 0))).join('')}\n`,
      )
      .join('');
  }
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - [...cell].length));
}

/** Time since, as kubectl shows ages. Source: apimachinery `util/duration` `HumanDuration`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  if (days < 2920) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}
