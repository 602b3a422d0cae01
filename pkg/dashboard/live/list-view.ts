/** A part of a list as a page shows it: of a copy, what matches, in an order, and of that what is in the window. Says how that is now and sends only rows that the page has not. */
import { parseLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ListQuery, Row, ServerMessage } from '../model/protocol.ts';
import type { Lease } from './mirrors.ts';
import { Outlet, type Sink } from './outlet.ts';
import type { KeptRow } from './row-of.ts';
import { SortedRows } from './sorted-rows.ts';
import type { Change, MirrorListener } from './table-mirror.ts';

/** Rows that a page may have at a time: more than fit on any screen. */
const windowMax = 500;

/** What a view is given. */
export interface ViewOptions {
  readonly id: number;
  readonly sink: Sink;
  readonly send: (message: ServerMessage) => void;
}

/** A list that is open. */
export class ListView implements MirrorListener {
  readonly #lease: Lease;
  readonly #options: ViewOptions;
  readonly #rows: SortedRows;
  readonly #outlet: Outlet;
  readonly #unfollow: () => void;
  #from: number;
  #count: number;
  #sentRows = new Map<string, KeptRow>();
  #sentState = '';
  #sentProblem: string | undefined;
  #hasColumns = false;

  /** Throws `UserError` for a selector that is none. Takes over the lease. */
  constructor(lease: Lease, query: ListQuery, options: ViewOptions) {
    const { mirror } = lease;
    this.#lease = lease;
    this.#options = options;
    this.#from = query.from;
    this.#count = Math.min(query.count, windowMax);
    this.#rows = new SortedRows(mirror.rows.values(), matcherOf(query), query.sort);
    this.#outlet = new Outlet(options.sink, () => this.#flush());
    this.#unfollow = mirror.follow(this);
    this.#outlet.mark();
  }

  changed(changes: readonly Change[]): void {
    this.#rows.apply(changes);
    this.#outlet.mark();
  }

  stateChanged(): void {
    this.#outlet.mark();
  }

  /** Another part is looked at. */
  move(from: number, count: number): void {
    this.#from = from;
    this.#count = Math.min(count, windowMax);
    this.#outlet.mark();
  }

  close(): void {
    this.#outlet.close();
    this.#unfollow();
    this.#lease.release();
  }

  #flush(): void {
    const { id, send } = this.#options;
    const { mirror } = this.#lease;
    if (mirror.problem !== this.#sentProblem) {
      this.#sentProblem = mirror.problem;
      send({ type: 'problem', id, problem: mirror.problem ?? '' });
    }
    // Nothing was read yet, and not refused either: an empty list would be a lie.
    if (mirror.rows.size === 0 && !mirror.isComplete) return;
    const window = this.#rows.slice(this.#from, this.#count);
    const fresh = window.filter((row) => this.#sentRows.get(row.key) !== row);
    const keys = window.map(({ key }) => key);
    const counts = { total: this.#rows.length, known: mirror.rows.size, expected: mirror.expected };
    const state = JSON.stringify([this.#from, counts, keys]);
    if (fresh.length === 0 && state === this.#sentState) return;
    this.#sentRows = new Map(window.map((row) => [row.key, row]));
    this.#sentState = state;
    const columns = this.#hasColumns ? {} : { columns: mirror.columns };
    this.#hasColumns ||= mirror.columns.length > 0;
    send({ type: 'rows', id, from: this.#from, ...counts, ...columns, keys, rows: fresh.map(shown) });
  }
}

function shown({ labels: _labels, version: _version, ...row }: KeptRow): Row {
  return row;
}

/** What a query lets through. */
function matcherOf(query: ListQuery): (row: KeptRow) => boolean {
  const { namespace = '', labels = '', text = '', name, node, owner, phase, about } = query;
  const parsed = parseLabelSelector(labels);
  if (!parsed.ok) throw new UserError(`the label selector is none: ${parsed.error}`);
  const wanted = text.toLowerCase();
  const isEvents = query.resource.resource === 'events';
  return (row) =>
    (namespace === '' || row.namespace === namespace) &&
    (name === undefined || row.name === name) &&
    (node === undefined || row.facts.node === node) &&
    (phase === undefined || row.facts.phase === phase) &&
    (owner === undefined || row.facts.owner === owner) &&
    (about === undefined || row.facts.about === about) &&
    (wanted === '' || row.name.includes(wanted) || (isEvents && textOf(row).includes(wanted))) &&
    (labels === '' || parsed.selector.matches(labelsOf(row)));
}

function textOf({ cells }: KeptRow): string {
  return cells.join(' ').toLowerCase();
}

function labelsOf({ labels }: KeptRow): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)]));
}
