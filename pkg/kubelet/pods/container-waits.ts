/** Why containers of a pod wait that are to run, and when another try is due. */

/** Why one waits, as its status says it, and until when on the clock. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
  readonly untilMs: number;
}

/** The waits of one pod. */
export class ContainerWaits {
  readonly #byName = new Map<string, Waiting>();

  get reasons(): ReadonlyMap<string, Waiting> {
    return this.#byName;
  }

  get(name: string): Waiting | undefined {
    return this.#byName.get(name);
  }

  /** Notes why it waits; false when that was known. */
  note(name: string, { reason, message, untilMs }: Waiting): boolean {
    const before = this.#byName.get(name);
    this.#byName.set(name, { reason, message, untilMs });
    return before?.reason !== reason || before.untilMs !== untilMs;
  }

  /** It waits no longer. */
  over(name: string): void {
    this.#byName.delete(name);
  }

  /** Nothing is to run any more. */
  clear(): void {
    this.#byName.clear();
  }
}
