/**
 * Answers of one plugin about every node, for all pods with one signature: a number per slot, brought up to date from the log of
 * changes. This is what makes scheduling many alike pods cost one node's worth of work each instead of all nodes'.
 */
import type { ChangeLog } from '../cache/change-log.ts';
import type { NodeTable } from '../cache/node-table.ts';
import type { NodeInfo } from '../model/node-info.ts';

/** The answer of a node, as a number. */
export type Answer = (node: NodeInfo, slot: number) => number;

const noValues: Float64Array = new Float64Array(0);

class Column {
  /** By slot; meaningless where the slot is free. */
  values: Float64Array;
  /** Position in the log up to which `values` is right; -1 when nothing is. */
  #seen = -1;

  /** `values`: room for answers; what is in it does not matter. */
  constructor(values: Float64Array) {
    this.values = values;
  }

  /** Makes `values` right for every slot in use. `answer` must say the same each time of a node that is not in the log. */
  refresh({ slots }: NodeTable, log: ChangeLog, answer: Answer): Float64Array {
    if (this.values.length < slots.length) {
      this.values = new Float64Array(Math.max(16, Math.ceil(slots.length * 1.25)));
      this.#seen = -1;
    }
    const { values } = this;
    const ask = (slot: number): void => {
      const node = slots[slot];
      if (node !== undefined) values[slot] = answer(node, slot);
    };
    const behind = log.head - this.#seen;
    const caughtUp = this.#seen >= 0 && behind <= slots.length && log.since(this.#seen, ask);
    if (!caughtUp) for (let slot = 0; slot < slots.length; slot++) ask(slot);
    this.#seen = log.head;
    return values;
  }
}

/** What a column holds the answers to. */
export interface ColumnQuestion {
  readonly table: NodeTable;
  /** The changes after which an answer may be another. */
  readonly log: ChangeLog;
  readonly answer: Answer;
}

/** Columns by signature, the least recently used forgotten first. */
export class ColumnCache {
  readonly #columns = new Map<string, Column>();
  readonly #limit: number;

  /** `limit`: how many signatures are kept; one column takes 8 bytes for each node. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The answers of a signature, which `answer` brings up to date with `log`. */
  get(signature: string, { table, log, answer }: ColumnQuestion): Float64Array {
    let column = this.#columns.get(signature);
    if (column !== undefined) this.#columns.delete(signature);
    else column = new Column(this.#columns.size < this.#limit ? noValues : this.#forgetOldest());
    this.#columns.set(signature, column);
    return column.refresh(table, log, answer);
  }

  /** The array of the column that was not asked for longest, to be used again. */
  #forgetOldest(): Float64Array {
    const [oldest, { values }] = this.#columns.entries().next().value!;
    this.#columns.delete(oldest);
    return values;
  }
}
