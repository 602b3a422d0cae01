/** A list as the page has it: the part that is looked at, and how long all of it is. */
import { type Signal, signal } from '@preact/signals';
import type { Column, ListQuery, Row, ServerMessage } from '../model/protocol.ts';
import { type LiveView, openView } from './live.ts';

/** What is known now. */
export interface ListState {
  readonly from: number;
  readonly total: number;
  readonly known: number;
  readonly expected: number;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly isThere: boolean;
  readonly problem: string;
  /** No more comes. */
  readonly hasEnded: boolean;
}

const nothing: ListState = {
  from: 0,
  total: 0,
  known: 0,
  expected: 0,
  columns: [],
  rows: [],
  isThere: false,
  problem: '',
  hasEnded: false,
};

/** A list that is open. */
export interface ListModel {
  readonly state: Signal<ListState>;
  readonly view: LiveView;
}

/** Opens a list. */
export function openList(query: ListQuery): ListModel {
  const state = signal(nothing);
  let rows = new Map<string, Row>();
  const hear = (message: ServerMessage): void => {
    const before = state.value;
    if (message.type === 'problem') state.value = { ...before, problem: message.problem };
    if (message.type === 'end') state.value = { ...before, problem: message.problem ?? '', hasEnded: true };
    if (message.type !== 'rows') return;
    for (const row of message.rows) rows.set(row.key, row);
    const shown = message.keys.flatMap((key) => rows.get(key) ?? []);
    rows = new Map(shown.map((row) => [row.key, row]));
    const { from, total, known, expected, columns = before.columns } = message;
    state.value = { ...before, from, total, known, expected, columns, rows: shown, isThere: true };
  };
  return { state, view: openView(query, hear) };
}
