/**
 * Answers of one plugin about every node, for all pods with one signature: a number per slot, brought up to date from the log of
 * changes. This is what makes scheduling many alike pods cost one node's worth of work each instead of all nodes'.
 */
import type { ChangeLog } from '../cache/change-log.ts';
import type { NodeTable } from '../cache/node-table.ts';
import type { NodeInfo } from './node-info.ts';

/** The answer of a node, as a number. */
export type Answer = (node: NodeInfo) => number;

export interface ColumnOptions {
  readonly table: NodeTable;
  /** The changes after which an answer may be another. */
  readonly log: ChangeLog;
  readonly answer: Answer;
  /** Room for answers; what is in it does not matter. */
  readonly values: Float64Array;
}

const noValues: Float64Array = new Float64Array(0);

export class Column {
  /** By slot; meaningless where the slot is free. */
  values: Float64Array;
  readonly #table: NodeTable;
  readonly #log: ChangeLog;
  readonly #answer: Answer;
  /** Position in the log up to which `values` is right; -1 when nothing is. */
  #seen = -1;

  constructor({ table, log, answer, values }: ColumnOptions) {
    this.#table = table;
    this.#log = log;
    this.#answer = answer;
    this.values = values;
  }

  /** Makes `values` right for every slot in use. */
  refresh(): Float64Array {
    const { slots } = this.#table;
    if (this.values.length < slots.length) {
      this.values = new Float64Array(Math.max(16, Math.ceil(slots.length * 1.25)));
      this.#seen = -1;
    }
    const behind = this.#log.head - this.#seen;
    if (this.#seen >= 0 && behind === 0) return this.values;
    const caughtUp =
      this.#seen >= 0 && behind <= slots.length && this.#log.since(this.#seen, (slot) => this.#ask(slots[slot], slot));
    if (!caughtUp) for (let slot = 0; slot < slots.length; slot++) this.#ask(slots[slot], slot);
    this.#seen = this.#log.head;
    return this.values;
  }

  #ask(node: NodeInfo | undefined, slot: number): void {
    if (node !== undefined) this.values[slot] = this.#answer(node);
  }
}

/** Columns by signature, the least recently used forgotten first. */
export class ColumnCache {
  readonly #columns = new Map<string, Column>();
  readonly #limit: number;

  /** `limit`: how many signatures are kept; one column takes 8 bytes for each node. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The column of a signature; `make` is given the array of a column that is forgotten for it, to be used again. */
  get(signature: string, make: (values: Float64Array) => Column): Column {
    let column = this.#columns.get(signature);
    if (column !== undefined) this.#columns.delete(signature);
    else {
      let values: Float64Array = noValues;
      if (this.#columns.size >= this.#limit) {
        const [oldest, forgotten] = this.#columns.entries().next().value!;
        this.#columns.delete(oldest);
        values = forgotten.values;
      }
      column = make(values);
    }
    this.#columns.set(signature, column);
    return column;
  }

  clear(): void {
    this.#columns.clear();
  }
}
