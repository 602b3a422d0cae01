/**
 * Which nodes of a cluster are Ready, told by a watch of them: a look at each of thousands again and again would cost more than their start.
 * Keeps names only, and nothing of what the nodes say.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { isConditionTrue } from '#pkg/apimachinery/conditions.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { KeyedSource } from '#pkg/kubelet/keyed-source.ts';

/** Nodes that a message names; of further ones it gives the number. */
const namesMax = 5;

/** Follows the nodes of `source` from now on. */
export class NodesReady {
  readonly #waiting: Set<string>;
  /** Resolves when all are Ready; another one when some are not any more. */
  #all = new Deferred();
  readonly #needing = new Deferred();

  constructor(source: KeyedSource<Node>, names: readonly string[]) {
    this.#waiting = new Set(names);
    for (const name of names) {
      source.subscribe(name, {
        set: (node) => {
          if (isConditionTrue(node.status?.conditions, 'Ready')) this.#waiting.delete(name);
          else {
            this.#miss(name);
            if (!node.spec?.podCIDR) this.#needing.resolve();
          }
          if (this.#waiting.size === 0) this.#all.resolve();
        },
        removed: () => this.#miss(name),
      });
    }
  }

  #miss(name: string): void {
    if (this.#waiting.size === 0) this.#all = new Deferred();
    this.#waiting.add(name);
  }

  /** Resolves once a node that is registered has no addresses for pods, which a controller is to give it. */
  get needControllers(): Promise<void> {
    return this.#needing.promise;
  }

  /** Resolves when every node is Ready, or `signal` is aborted; rejects after `timeoutMs`. */
  async wait(clock: Clock, limits: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<void> {
    const { timeoutMs, signal } = limits;
    const timer = new AbortController();
    const late = sleep(clock, timeoutMs, AbortSignal.any([signal, timer.signal]));
    try {
      while (this.#waiting.size > 0 && !signal.aborted) {
        const isLate = await Promise.race([this.#all.promise.then(() => false), late]);
        if (isLate && this.#waiting.size > 0)
          throw new Error(
            `Cannot bring up the cluster as ${someOf([...this.#waiting])} did not become ready within ${timeoutMs / 1000} s`,
          );
      }
    } finally {
      timer.abort();
    }
  }
}

/** Names with commas between them: the first few, and how many more there are. */
function someOf(names: readonly string[]): string {
  const more = names.length - namesMax;
  return more <= 0 ? names.join(', ') : `${names.slice(0, namesMax).join(', ')} and ${more} more`;
}
