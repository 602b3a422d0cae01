/** Follows whoever holds a Lease, over its changes of holder, and remembers that one of them has ended. One candidate has one. */
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { type Liveness, livenessAnnotation } from './liveness.ts';

/** Follows holders until `signal` is aborted. Without a `liveness` nobody is ever known to have ended. */
export class HolderWatch {
  readonly #clock: Clock;
  readonly #liveness: Liveness | undefined;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  #followed = '';
  #following = new AbortController();
  #endedIdentity: string | undefined;
  /** Aborted when the holder has ended: it ends the wait for the next try. */
  #waiting: AbortController | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly liveness: Liveness | undefined;
    readonly log: Logger;
    readonly signal: AbortSignal;
  }) {
    this.#clock = options.clock;
    this.#liveness = options.liveness;
    this.#log = options.log;
    this.#signal = options.signal;
  }

  /** Whether whoever held the Lease when it was last seen is known to have ended. */
  get isGone(): boolean {
    return this.#endedIdentity !== undefined && this.#followed.startsWith(`${this.#endedIdentity} `);
  }

  /** Whether that holder is known to have ended. */
  hasEnded(identity: string): boolean {
    return this.#endedIdentity === identity;
  }

  /** Follows the holder that the Lease names, if it says where, in place of whoever was followed. */
  follow(lease: Lease): void {
    const identity = lease.spec?.holderIdentity ?? '';
    const address = lease.metadata?.annotations?.[livenessAnnotation] ?? '';
    const key = identity === '' || address === '' ? '' : `${identity} ${address}`;
    if (this.#liveness === undefined || key === this.#followed || this.#signal.aborted) return;
    this.#following.abort();
    this.#followed = key;
    if (key === '') return;
    const { controller, dispose } = childSignal(this.#signal);
    this.#following = controller;
    const onSeen = (): void => this.#log.info('The leader is seen to live', { leader: identity });
    void this.#liveness.ended({ address, identity, onSeen }, controller.signal).then((hasEnded) => {
      dispose();
      if (!hasEnded || controller.signal.aborted) return;
      this.#log.info('The leader has ended', { leader: identity });
      this.#endedIdentity = identity;
      this.#waiting?.abort();
    });
  }

  /** Waits for so long, or until the holder has ended or all is over. */
  async wait(durationMs: number): Promise<void> {
    const { controller, dispose } = childSignal(this.#signal);
    this.#waiting = controller;
    await sleep(this.#clock, durationMs, controller.signal);
    this.#waiting = undefined;
    dispose();
  }

  /** Follows nobody any more. */
  stop(): void {
    this.#following.abort();
  }
}
