/** That a pod is to end, and how fast. It begins once; whoever ends containers meanwhile is told when it is to be faster. */

/** The end of one pod. */
export class PodEnding {
  readonly #cancel = new AbortController();
  #begun = false;
  #graceMsMax = Number.POSITIVE_INFINITY;
  #hurry: ((graceMs: number) => void) | undefined;

  /** The pod is to end: nothing new is begun. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Aborted when the pod is to end, or its kubelet stops: ends what is only of use to one that runs. */
  get signal(): AbortSignal {
    return this.#cancel.signal;
  }

  /** Longest time that its containers get, whatever the pod says. */
  get graceMsMax(): number {
    return this.#graceMsMax;
  }

  begin(graceMsMax = Number.POSITIVE_INFINITY): void {
    this.#begun = true;
    this.#graceMsMax = graceMsMax;
    this.#cancel.abort();
  }

  /** The kubelet stops; the pod goes on. */
  stop(): void {
    this.#cancel.abort();
  }

  /** Runs `work`, which ends containers; `hurry` is told of a shorter grace period meanwhile. */
  async within(hurry: (graceMs: number) => void, work: () => Promise<unknown>): Promise<void> {
    this.#hurry = hurry;
    try {
      await work();
    } finally {
      this.#hurry = undefined;
    }
  }

  /** A deletion with a shorter grace period has come. */
  shorten(graceMs: number): void {
    this.#hurry?.(graceMs);
  }
}
