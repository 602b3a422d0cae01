/** Work that nobody waits for but the end of the kubelet. Its errors are logged, but for those that say that the kubelet stops. */
import type { Logger } from '#pkg/base/logger.ts';
import { KubeletStoppingError } from './runtime/leaving-runtime.ts';

/** The work of one kubelet. */
export class Background {
  readonly #log: Logger;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  start(work: () => Promise<void>): void {
    const running: Promise<void> = work()
      .catch((error: unknown) => {
        if (!(error instanceof KubeletStoppingError)) this.#log.error('Background work failed', { error });
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
