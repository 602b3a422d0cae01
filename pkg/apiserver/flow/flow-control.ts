/**
 * What the pipeline asks before it works on a request: whose it is (`flowOf`), and whether there is room for it (`enter`). Declared here, where it is
 * used; `in-flight.ts` is the plain one, `#pkg/registry/flowcontrol/fairness.ts` the one with priorities.
 *
 * Laws:
 * 1. `flowOf` waits for nothing, changes nothing and never throws.
 * 2. A place is taken at once (`turn` undefined), or when `turn` resolves with true. With false the request is refused: it has waited too long.
 * 3. Who has a place gives it back once (`leave`), whatever becomes of the request; who was refused has none.
 * 4. `enter` never blocks one who asks in the same process for longer than others: whoever waits is in line.
 */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { Metrics } from '#pkg/base/metrics.ts';
import type { Asked } from '../asked.ts';
import type { RequestInfo } from '../request-info.ts';
import type { UserInfo } from '../user-info.ts';
import type { WatchCounts } from './watch-counts.ts';

/** Requests that count as one: who sends many of them does not hold up others. */
export interface Flow {
  /** What answers say of it: the identities of what sorted it, where something did. */
  readonly uids: undefined | { readonly schema: string; readonly level: string };
}

/** A request that wants to be worked on. */
export interface Entering {
  readonly asked: Asked;
  readonly user: UserInfo;
  /** Until when it may wait, on the server's monotonic clock. */
  readonly untilMs: number;
  /** Its signal is aborted when the caller has gone. */
  readonly request: Pick<ApiRequest, 'signal'>;
}

/** Room for one request. */
export interface Place {
  readonly turn: Promise<boolean> | undefined;
  /** Gives it back. */
  leave(): void;
}

/** How many requests that only read, and how many others, are under way. */
export interface UnderWay {
  readonly reads: number;
  readonly writes: number;
}

/** What a flow control is given of its server. */
export interface FlowControlParts {
  /** Where it counts. */
  readonly metrics: Metrics;
  readonly watches: WatchCounts;
}

/** Decides when requests are worked on. */
export interface FlowControl<F extends Flow = Flow> {
  /** Called once, before any request. */
  serve?(parts: FlowControlParts): void;
  flowOf(user: UserInfo, info: RequestInfo): F;
  /** Undefined where there is no room even to wait: `retryAfterSeconds` says when to come back. */
  enter(flow: F, entering: Entering): Place | undefined;
  /** What one who was refused is told. */
  retryAfterSeconds(flow: F): number;
  underWay(): UnderWay;
}
