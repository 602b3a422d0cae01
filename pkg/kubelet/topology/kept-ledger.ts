/**
 * What containers of pods are given of a node when the pod is admitted, and written down before anything is made of it, so that the next kubelet knows. A pod that is over gives its
 * own back, once all pods from before the kubelet started have been seen: what is not known then is gone.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { PodFailure } from '../status/pod-status-input.ts';

/** Who has what. */
export interface PodLedger<R> {
  readonly podUids: readonly string[];
  has(podUid: string): boolean;
  /** Whether the pod had any. */
  release(podUid: string): boolean;
  record(): R;
}

/** Where it is written down, and who hears of it. */
export interface KeptLedgerDeps<R> {
  readonly log: Logger;
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
  /** Throws where it cannot be written. */
  save(record: R): void;
  /** Somebody has something now, or has it no more. */
  onChange(): void;
}

/** A ledger that is written down. */
export class KeptLedger<R> {
  readonly #ledger: PodLedger<R>;
  readonly #deps: KeptLedgerDeps<R>;
  #isSettled = false;

  constructor(ledger: PodLedger<R>, deps: KeptLedgerDeps<R>) {
    this.#ledger = ledger;
    this.#deps = deps;
  }

  /** Gives a pod what `allocate` does, or says why not: also where it cannot be written down, and then nothing is taken for it. */
  admit(pod: Pod, allocate: () => PodFailure | undefined): PodFailure | undefined {
    const uid = pod.metadata?.uid ?? '';
    this.forgetEnded();
    const had = this.#ledger.has(uid);
    const refusal = allocate();
    if (refusal !== undefined || had || !this.#ledger.has(uid)) return refusal;
    try {
      this.#deps.save(this.#ledger.record());
    } catch (error) {
      this.#ledger.release(uid);
      const message = `Allocate failed due to ${errorText(error)}, which is unexpected`;
      return { reason: 'UnexpectedAdmissionError', message };
    }
    this.#deps.onChange();
    return undefined;
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#isSettled = true;
  }

  /** Takes back what pods had that are over. */
  forgetEnded(): void {
    if (!this.#isSettled) return;
    const over = this.#ledger.podUids.filter((uid) => this.#deps.isOver(uid));
    for (const uid of over) this.#ledger.release(uid);
    if (over.length === 0) return;
    this.#deps.onChange();
    try {
      this.#deps.save(this.#ledger.record());
    } catch (error) {
      // What it says too much is taken back when somebody reads it, and all of it is written at the next change.
      this.#deps.log.warn('What containers have of the node is not written down', { error });
    }
  }
}
