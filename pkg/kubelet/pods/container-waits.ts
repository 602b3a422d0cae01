/** Why containers of a pod wait that are to run, and when another try is due. */

/** Why one waits, as its status says it, and until when on the clock. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
  readonly untilMs: number;
}

const noWaits: ReadonlyMap<string, Waiting> = new Map();

/** The waits of one pod. */
export class ContainerWaits {
  /** Undefined while none does, as of nearly all pods. */
  #byName: Map<string, Waiting> | undefined;

  get reasons(): ReadonlyMap<string, Waiting> {
    return this.#byName ?? noWaits;
  }

  get(name: string): Waiting | undefined {
    return this.#byName?.get(name);
  }

  /** Notes why it waits; false when that was known. */
  note(name: string, { reason, message, untilMs }: Waiting): boolean {
    const before = this.get(name);
    this.#byName ??= new Map();
    this.#byName.set(name, { reason, message, untilMs });
    return before?.reason !== reason || before.untilMs !== untilMs;
  }

  /** It waits no longer. */
  over(name: string): void {
    this.#byName?.delete(name);
    if (this.#byName?.size === 0) this.clear();
  }

  /** Nothing is to run any more. */
  clear(): void {
    this.#byName = undefined;
  }
}
