/** Which blocks of addresses are taken, and by which nodes. Taking one costs the same however many there are. */
import type { CidrBlocks } from './cidr.ts';

/** The blocks of one range. */
export class BlockPool {
  readonly #blocks: CidrBlocks;
  readonly #indexOf = new Map<string, number>();
  /** Nodes of a block: several when somebody gave one to more than one of them. */
  readonly #owners = new Map<number, Set<string>>();
  /** No block below this one is free. */
  #lowest = 0;

  constructor(blocks: CidrBlocks) {
    this.#blocks = blocks;
  }

  /** The block that `node` has, else the lowest free one, now its own; undefined when none is free. */
  take(node: string): string | undefined {
    const own = this.#indexOf.get(node);
    if (own !== undefined) return this.#blocks.block(own);
    while (this.#owners.has(this.#lowest)) this.#lowest++;
    if (this.#lowest >= this.#blocks.count) return undefined;
    const block = this.#blocks.block(this.#lowest);
    this.mark(node, [block]);
    return block;
  }

  /** Says that `node` has these blocks, of which one at most is of this pool. Others do not count. */
  mark(node: string, blocks: readonly string[]): void {
    const [index] = blocks.flatMap((block) => this.#blocks.indexOf(block) ?? []);
    if (this.#indexOf.get(node) === index) return;
    this.giveBack(node);
    if (index === undefined) return;
    this.#indexOf.set(node, index);
    const owners = this.#owners.get(index);
    if (owners === undefined) this.#owners.set(index, new Set([node]));
    else owners.add(node);
  }

  /** Frees what `node` has; nothing happens when it has none. */
  giveBack(node: string): void {
    const index = this.#indexOf.get(node);
    if (index === undefined) return;
    this.#indexOf.delete(node);
    const owners = this.#owners.get(index)!;
    owners.delete(node);
    if (owners.size > 0) return;
    this.#owners.delete(index);
    this.#lowest = Math.min(this.#lowest, index);
  }
}
