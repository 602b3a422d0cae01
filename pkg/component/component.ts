/** What every process and every part that runs for long looks like, and what it is given. */
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { Informers } from '#pkg/client/informer.ts';

/** Runs until `signal` is aborted, and resolves only after all that it started has stopped. Rejects when it cannot go on. */
export interface Component {
  run(signal: AbortSignal): Promise<void>;
}

/** What a component that lives by the API is given. */
export interface ComponentDeps {
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Where it counts what it does: one for the process, or for the part of it that answers for itself. */
  readonly metrics: Metrics;
  /** Whether it records events. Default true. */
  readonly recordsEvents?: boolean;
}
