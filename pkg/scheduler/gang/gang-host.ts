/** What gangs need of a run of the scheduler. */
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { Attempt, Eviction } from '../attempt.ts';
import type { Nominator } from '../cache/nominator.ts';
import type { SchedulerCache } from '../cache/scheduler-cache.ts';
import type { Failure } from '../failure-report.ts';
import type { Decision } from '../framework/decide.ts';
import type { PostFilterResult } from '../framework/plugin.ts';
import type { Refusals } from '../framework/refusals.ts';
import type { InFlight } from '../in-flight.ts';
import type { QueuedPod, SchedulingQueue } from '../queue/scheduling-queue.ts';
import type { Agreement } from './agreement.ts';

/** What gangs need of the run. */
export interface GangHost {
  readonly deps: ComponentDeps;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly nominator: Nominator;
  /** What is waited for before the run ends. */
  readonly bindings: InFlight;
  readonly signal: AbortSignal;
  attemptOf(entry: QueuedPod): Attempt;
  decide(attempt: Attempt): Decision;
  askForRoom(attempt: Attempt, refusals: Refusals): PostFilterResult;
  /** What becomes of a single pod. */
  follow(attempt: Attempt, decision: Decision): Promise<void> | undefined;
  /** Binds a pod that counts on its node; never rejects. */
  bind(attempt: Attempt, nodeName: string, agreement: Agreement): Promise<void>;
  /** Resolves to whether all victims were told to go. */
  evict(attempt: Attempt, eviction: Eviction): Promise<boolean>;
  report(attempt: Attempt, failure: Failure): Promise<void>;
}
