/**
 * Audits requests: decides by the policy, and gives the events of each stage to the sink. A server without a policy has no auditor, and nothing of this is
 * done. Upstream counterpart: apiserver `endpoints/filters/audit.go`, `audit/context.go`.
 */
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Metrics, Tallies, Tally } from '#pkg/base/metrics.ts';
import type { Random } from '#pkg/base/random.ts';
import type { RequestInfo } from '../request-info.ts';
import type { UserInfo } from '../user-info.ts';
import { AuditTrail, type TrailHost } from './audit-trail.ts';
import type { AuditEvent } from './event.ts';
import type { AuditDecider, AuditDecision } from './policy.ts';

/** Where events go. */
export interface AuditSink {
  /**
   * Takes an event, at once or into a bounded buffer. False where it is lost and the request must not go on for that (`blocking-strict`); a sink that
   * loses events otherwise counts them and says true. Never throws, never waits. The last event of a request comes before its answer leaves.
   */
  record(event: AuditEvent): boolean;
  /** Called before the answers of requests leave whose events are `isHeld`: what those events say is written then. Default: they are written anyway. */
  settle?(): void;
}

/** What a server needs to audit. */
export interface Auditing {
  readonly decide: AuditDecider;
  readonly sink: AuditSink;
  /** Where it is counted; sinks count their losses there too. */
  readonly metrics: Metrics;
}

/** The names under which audit is counted. Source: apiserver `audit/metrics.go`. */
export function auditCounters(metrics: Metrics): {
  readonly events: Tally;
  readonly levels: Tallies;
  readonly rejected: Tally;
  /** By the part that lost them. */
  readonly errors: Tallies;
} {
  return {
    events: metrics.counter({ name: 'apiserver_audit_event_total', help: 'Audit events that were made' }).of(),
    levels: metrics.counter({
      name: 'apiserver_audit_level_total',
      help: 'Requests by the level at which they are audited',
      labels: ['level'],
    }),
    rejected: metrics
      .counter({
        name: 'apiserver_audit_requests_rejected_total',
        help: 'Requests that were refused as their event could not be kept',
      })
      .of(),
    errors: metrics.counter({
      name: 'apiserver_audit_error_total',
      help: 'Audit events that were lost, by the part that lost them',
      labels: ['plugin'],
    }),
  };
}

/** How far time by the two clocks may come apart before the wall clock is asked again: somebody has set it. */
const driftMsMax = 2;

/** The audit of one server. */
export class Auditor implements TrailHost {
  readonly #auditing: Auditing;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #counters: ReturnType<typeof auditCounters>;
  #offsetMs = Number.NaN;

  constructor(auditing: Auditing, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#auditing = auditing;
    this.#clock = clock;
    this.#random = random;
    this.#counters = auditCounters(auditing.metrics);
  }

  /** The trail of a request that has just come. */
  begin(request: ApiRequest): AuditTrail {
    return new AuditTrail(this, request, request.headers['audit-id'] || this.#random.uuid());
  }

  decide(info: RequestInfo, user: UserInfo | undefined): AuditDecision {
    const decision = this.#auditing.decide(info, user);
    this.#counters.levels.of(decision.level).value++;
    return decision;
  }

  record(event: AuditEvent): boolean {
    this.#counters.events.value++;
    return this.#auditing.sink.record(event);
  }

  rejected(): void {
    this.#counters.rejected.value++;
  }

  /** Milliseconds since the epoch with a fraction: the wall clock alone counts whole ones. */
  nowMs(): number {
    const wallMs = this.#clock.nowMs();
    const monotonicMs = this.#clock.monotonicMs();
    const nowMs = monotonicMs + this.#offsetMs;
    if (Math.abs(nowMs - wallMs) <= driftMsMax) return nowMs;
    this.#offsetMs = wallMs - monotonicMs;
    return wallMs;
  }
}
