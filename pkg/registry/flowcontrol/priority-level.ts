/**
 * One priority level as the server works with it: its queues, the seats it is entitled to and has now, and what it wanted lately.
 * Upstream counterpart: `priorityLevelState` of apiserver `util/flowcontrol/apf_controller.go`.
 */
import type { PriorityLevelConfiguration } from '#pkg/api/types/flowcontrol-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { entropyBits, hashBitsMax } from '#pkg/apiserver/flow/dealer.ts';
import type { DemandSeen } from '#pkg/apiserver/flow/demand.ts';
import { QueueSet, type SeatRequest, type Waiting } from '#pkg/apiserver/flow/queue-set.ts';
import { RetryAfter } from '#pkg/apiserver/flow/retry-after.ts';
import type { Timer } from '#pkg/base/clock.ts';

/** How much of what was wanted before counts from one period to the next: half of it is forgotten in five minutes. */
const smoothing = 0.977;

/** The largest part of a level's seats that one request may take. Source: upstream `priorityLevelMaxSeatsPercent`. */
const widestPart = 0.15;

/** What a level's object says of it. */
export interface LevelSpec {
  readonly name: string;
  readonly uid: string;
  readonly shares: number;
  readonly lendablePercent: number;
  /** Percent of its own seats; undefined for as many as there are. */
  readonly borrowingPercent: number | undefined;
  readonly waiting: Waiting;
  /** Queues of one flow. */
  readonly handSize: number;
}

/** What was wanted lately, in seats. */
export interface DemandStats {
  readonly highest: number;
  readonly average: number;
  readonly deviation: number;
  readonly smoothed: number;
}

/** Reads an object; undefined for one that contradicts itself, which counts as not there. */
export function levelSpecOf({ metadata, spec }: Given<PriorityLevelConfiguration>): LevelSpec | undefined {
  const name = metadata?.name ?? '';
  const isExempt = spec?.type === 'Exempt';
  const own = isExempt ? spec.exempt : spec?.limited;
  if (spec === undefined || own === undefined || isExempt !== (name === 'exempt')) return undefined;
  const common = {
    name,
    uid: metadata?.uid ?? '',
    shares: own.nominalConcurrencyShares ?? 0,
    lendablePercent: own.lendablePercent ?? 0,
  };
  if (isExempt) return { ...common, borrowingPercent: undefined, waiting: 'exempt', handSize: 0 };
  const borrowingPercent = spec.limited?.borrowingLimitPercent ?? undefined;
  const response = spec.limited?.limitResponse;
  if (response?.type !== 'Queue') return { ...common, borrowingPercent, waiting: 'reject', handSize: 0 };
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = response.queuing ?? {};
  const isDealt = queues > 0 && handSize > 0 && handSize <= queues && entropyBits(queues, handSize) <= hashBitsMax;
  return isDealt
    ? { ...common, borrowingPercent, waiting: { queues, lengthMax: queueLengthLimit }, handSize }
    : undefined;
}

/** A level that requests are in. */
export class PriorityLevel {
  spec: LevelSpec;
  readonly queues: QueueSet;
  /** Of those who were refused. */
  readonly retryAfter = new RetryAfter();
  /** Seats by its shares, of which it keeps `lower` and may have up to `upper` by borrowing. */
  nominal = 0;
  lower = 0;
  upper = 0;
  current = 0;
  stats: DemandStats = { highest: 0, average: 0, deviation: 0, smoothed: 0 };
  /** Its object is gone: it goes when it is idle. */
  isLeaving = false;
  /** Set while its requests wait for seats of others that have ended. */
  releasing: Timer | undefined;
  dispatched = 0;
  rejected = 0;
  cancelled = 0;

  constructor(spec: LevelSpec, nowMs: number, tooWide: (request: SeatRequest) => void) {
    this.spec = spec;
    this.queues = new QueueSet({ waiting: spec.waiting, limit: 0, nowMs, tooWide });
  }

  get isExempt(): boolean {
    return this.spec.waiting === 'exempt';
  }

  /** The most seats that one request may be estimated at; 0 for no bound of its own. */
  get widest(): number {
    const { waiting, handSize } = this.spec;
    if (typeof waiting === 'string') return 0;
    return Math.max(1, Math.min(Math.ceil(this.nominal * widestPart), Math.trunc(this.nominal / handSize)));
  }

  /** Works out what it is entitled to of `total` seats. */
  entitle(total: number, shareSum: number): void {
    const { shares, lendablePercent, borrowingPercent } = this.spec;
    this.nominal = shareSum === 0 ? 0 : Math.ceil((total * shares) / shareSum);
    this.lower = this.nominal - Math.round((this.nominal * lendablePercent) / 100);
    this.upper =
      this.nominal + (borrowingPercent === undefined ? total : Math.round((this.nominal * borrowingPercent) / 100));
  }

  /** Takes in what was wanted in the last period. */
  note({ durationMs, average, deviation, highest }: DemandSeen): void {
    const rounded = Math.round(highest);
    if (durationMs <= 0) {
      this.stats = { ...this.stats, highest: rounded };
      return;
    }
    const envelope = average + deviation;
    const decayed = smoothing * this.stats.smoothed + (1 - smoothing) * envelope;
    this.stats = { highest: rounded, average, deviation, smoothed: Math.max(envelope, decayed) };
  }

  /** As if `note` was called for so many periods in which the same was wanted all the time. */
  noteSteady(periods: number): void {
    const { value } = this.queues.demand;
    const { smoothed } = this.stats;
    const decayed = value + (smoothed - value) * smoothing ** periods;
    this.stats = { highest: value, average: value, deviation: 0, smoothed: Math.max(value, decayed) };
  }
}
