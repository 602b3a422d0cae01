/**
 * Answers about nodes that are kept between pods: one column for each question and each signature of a pod. How much is kept is bounded, and
 * what is forgotten is asked again.
 */
import type { NodeTable } from '../cache/node-table.ts';
import type { PodInfo } from '../model/pod-info.ts';
import { type Answer, ColumnCache } from './column.ts';
import type { Memo } from './plugin.ts';

/** Signatures kept for each question. At 5,000 nodes a column is 50 kB (it has room to grow), so that is at most 6 MB. */
const columnsPerQuestionMax = 128;

/** What the plugins' memos write down of one pod, each written once. */
export class Signatures {
  readonly #pod: PodInfo;
  readonly #texts = new Map<Memo, string>();

  constructor(pod: PodInfo) {
    this.#pod = pod;
  }

  of(memo: Memo): string {
    let text = this.#texts.get(memo);
    if (text === undefined) {
      text = memo.sign(this.#pod);
      this.#texts.set(memo, text);
    }
    return text;
  }
}

/** A question about every node, on behalf of one pod. */
export interface Question {
  readonly name: string;
  /** What the answers depend on. */
  readonly dependsOn: Memo['dependsOn'];
  readonly signature: string;
  /** Asked about the nodes that changed since the question was put last. */
  readonly answer: Answer;
}

/** The answers that one decider keeps. */
export class KeptAnswers {
  readonly #table: NodeTable;
  readonly #columns = new Map<string, ColumnCache>();

  constructor(table: NodeTable) {
    this.#table = table;
  }

  /** The answers by slot, right for every slot in use until a node or pod changes; meaningless where a slot is free. */
  about({ name, dependsOn, signature, answer }: Question): Float64Array {
    let cache = this.#columns.get(name);
    if (cache === undefined) {
      cache = new ColumnCache(columnsPerQuestionMax);
      this.#columns.set(name, cache);
    }
    const log = dependsOn === 'node' ? this.#table.nodeChanges : this.#table.podChanges;
    return cache.get(signature, { table: this.#table, log, answer });
  }

  clear(): void {
    this.#columns.clear();
  }
}
