/**
 * Ranges of ids that are nobody's on the machine, one for each sandbox whose users are its own: 65,536 of them, which its ids from 0 on are outside. A range is claimed by a
 * file of its number in a folder that all nodes of the machine share, so that no two have the same. Invariant: a claim is there before anything is made by it, and says
 * whose it is, so that what a node that was killed has left is found. Upstream counterpart: kubelet `userns/userns_manager.go`.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn, textOf } from '../../topology/system-files.ts';
import { RuntimeError } from '../runtime.ts';

/** Ids of one sandbox. Source: KEP-127. */
export const userIdsCount = 65_536;
/** The first range, above all ids of the machine's own, and the last, whose ids are numbers of 31 bits. */
const rangeMin = 2;
const rangeMax = 32_767;

/** The claims of one node. */
export class UserIds {
  readonly #folder: string;
  readonly #node: string;

  /** `node` is what no other node of the machine is called. */
  constructor({ folder, node }: { readonly folder: string; readonly node: string }) {
    this.#folder = folder;
    this.#node = node;
  }

  /** The first id of a range that is now the sandbox's. Throws `RuntimeError` `failed` when there are none left. */
  claim(sandboxId: string): number {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const taken = new Set(readdirSync(this.#folder));
    for (let range = rangeMin; range <= rangeMax; range++) {
      if (!taken.has(String(range)) && this.#tryClaim(range, sandboxId)) return range * userIdsCount;
    }
    throw new RuntimeError('failed', 'no range of user ids is left on this machine');
  }

  /** Claims a range again for a sandbox that has it, where the folder has forgotten. */
  keep(sandboxId: string, baseId: number): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#tryClaim(baseId / userIdsCount, sandboxId);
  }

  /** Gives it back; nothing where it is another's. */
  release(sandboxId: string, baseId: number): void {
    const path = join(this.#folder, String(baseId / userIdsCount));
    if (textOf(path) === this.#mark(sandboxId)) rmSync(path, { force: true });
  }

  /** Gives all of the node's back but those of these sandboxes. */
  keepOnly(sandboxIds: ReadonlySet<string>): void {
    const kept = new Set([...sandboxIds].map((id) => this.#mark(id)));
    for (const name of namesIn(this.#folder)) {
      const path = join(this.#folder, name);
      const text = textOf(path);
      if (text.startsWith(`${this.#node} `) && !kept.has(text)) rmSync(path, { force: true });
    }
  }

  #tryClaim(range: number, sandboxId: string): boolean {
    try {
      writeFileSync(join(this.#folder, String(range)), this.#mark(sandboxId), { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    }
  }

  #mark(sandboxId: string): string {
    return `${this.#node} ${sandboxId}`;
  }
}
