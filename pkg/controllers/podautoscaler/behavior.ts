/**
 * How fast and how soon an autoscaler follows what its metrics ask for: the highest or lowest of what was asked for lately, and at most as many pods
 * more or fewer in a time as its policies allow. Holds, for one autoscaler, what was asked for and done within the longest time that counts (an hour
 * at most, as validation has it).
 * Upstream counterpart: `horizontal.go` `normalizeDesiredReplicas`, `normalizeDesiredReplicasWithBehaviors`.
 */
import type { HorizontalPodAutoscalerBehavior, HPAScalingRules } from '#pkg/api/types/autoscaling-v2.ts';

/** What is asked for, and what may be had. */
export interface NormalizeInput {
  readonly behavior: HorizontalPodAutoscalerBehavior | undefined;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly current: number;
  readonly desired: number;
  /** How long fewer are put off, where the behaviour does not say. */
  readonly downscaleStabilizationMs: number;
  readonly nowMs: number;
}

/** Reason and message of a condition. */
export interface Explanation {
  readonly reason: string;
  readonly message: string;
}

/** The replicas, and why they are not others. */
export interface Normalized {
  readonly replicas: number;
  readonly ableToScale: Explanation;
  readonly limited: Explanation & { readonly status: 'False' | 'True' };
}

interface Timed {
  readonly atMs: number;
  readonly value: number;
}

type Limit = Explanation & { readonly replicas: number };

/** Longest time that anything is looked back at. Source: validation of stabilization windows and policies. */
const historyMs = 3_600_000;

const inRange: Explanation = {
  reason: 'DesiredWithinRange',
  message: 'the desired count is within the acceptable range',
};
const ready: Explanation = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };
const downStabilized: Explanation = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
};
const upStabilized: Explanation = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
};

/** What one autoscaler asked for and did. */
export class ScaleHistory {
  #asked: Timed[] = [];
  #ups: Timed[] = [];
  #downs: Timed[] = [];

  /** The replicas that were there when the autoscaler was first seen count as asked for. */
  begin(replicas: number, nowMs: number): void {
    if (this.#asked.length === 0) this.#asked.push({ atMs: nowMs, value: replicas });
  }

  /** A change was made. */
  scaled({ from, to, nowMs }: { readonly from: number; readonly to: number; readonly nowMs: number }): void {
    (to > from ? this.#ups : this.#downs).push({ atMs: nowMs, value: Math.abs(to - from) });
  }

  /** What is to be done now. */
  normalize(input: NormalizeInput): Normalized {
    const { behavior, nowMs } = input;
    const isRecent = ({ atMs }: Timed): boolean => nowMs - atMs <= historyMs;
    this.#asked = this.#asked.filter(isRecent);
    this.#ups = this.#ups.filter(isRecent);
    this.#downs = this.#downs.filter(isRecent);
    const stable = behavior === undefined ? this.#stabilizeDown(input) : this.#stabilize(input, behavior);
    this.#asked.push({ atMs: nowMs, value: input.desired });
    const wanted = stable.replicas;
    const { replicas, reason, message } =
      behavior === undefined ? plainLimit(input, wanted) : this.#limit(input, { behavior, wanted });
    return {
      replicas,
      ableToScale: wanted === input.desired ? ready : { reason: stable.reason, message: stable.message },
      limited: { status: replicas === wanted ? 'False' : 'True', reason, message },
    };
  }

  #stabilizeDown({ desired, downscaleStabilizationMs, nowMs }: NormalizeInput): Limit {
    const recent = this.#asked.filter(({ atMs }) => nowMs - atMs <= downscaleStabilizationMs);
    return { replicas: Math.max(desired, ...recent.map(({ value }) => value)), ...downStabilized };
  }

  #stabilize(input: NormalizeInput, { scaleUp, scaleDown }: HorizontalPodAutoscalerBehavior): Limit {
    const { current, desired, nowMs } = input;
    const upMs = (scaleUp?.stabilizationWindowSeconds ?? 0) * 1_000;
    const downMs = windowMs(scaleDown) ?? input.downscaleStabilizationMs;
    const within = (ms: number) => this.#asked.filter(({ atMs }) => nowMs - atMs < ms).map(({ value }) => value);
    const least = Math.min(desired, ...within(upMs));
    const most = Math.max(desired, ...within(downMs));
    const replicas = Math.min(Math.max(current, least), most);
    return { replicas, ...(desired >= current ? upStabilized : downStabilized) };
  }

  #limit(
    { current, minReplicas, maxReplicas, nowMs }: NormalizeInput,
    { behavior, wanted }: { readonly behavior: HorizontalPodAutoscalerBehavior; readonly wanted: number },
  ): Limit {
    if (wanted > current) {
      const rate = Math.max(current, this.#upLimit(current, behavior.scaleUp, nowMs));
      const limit =
        maxReplicas > rate ? { replicas: rate, ...tooFast('increasing', 'ScaleUpLimit') } : tooMany(maxReplicas);
      if (wanted > limit.replicas) return limit;
    } else if (wanted < current) {
      const rate = Math.min(current, this.#downLimit(current, behavior.scaleDown, nowMs));
      const limit =
        minReplicas < rate ? { replicas: rate, ...tooFast('decreasing', 'ScaleDownLimit') } : tooFew(minReplicas);
      if (wanted < limit.replicas) return limit;
    }
    return { replicas: wanted, ...inRange };
  }

  #upLimit(current: number, rules: HPAScalingRules | undefined, nowMs: number): number {
    if (rules?.selectPolicy === 'Disabled') return current;
    const proposals = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
      const start = this.#atStartOf(periodSeconds, current, nowMs);
      // Rounded up: a small share of few would otherwise never be one.
      return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100));
    });
    return rules?.selectPolicy === 'Min' ? Math.min(...proposals) : Math.max(...proposals);
  }

  #downLimit(current: number, rules: HPAScalingRules | undefined, nowMs: number): number {
    if (rules?.selectPolicy === 'Disabled') return current;
    const proposals = (rules?.policies ?? []).map(({ type, value, periodSeconds }) => {
      const start = this.#atStartOf(periodSeconds, current, nowMs);
      return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100));
    });
    return rules?.selectPolicy === 'Min' ? Math.max(...proposals) : Math.min(...proposals);
  }

  /** The replicas that there were when the period began. */
  #atStartOf(periodSeconds: number, current: number, nowMs: number): number {
    const within = (changes: readonly Timed[]): number =>
      changes.reduce((all, { atMs, value }) => (nowMs - atMs < periodSeconds * 1_000 ? all + value : all), 0);
    return current - within(this.#ups) + within(this.#downs);
  }
}

function windowMs(rules: HPAScalingRules | undefined): number | undefined {
  const seconds = rules?.stabilizationWindowSeconds;
  return seconds === undefined ? undefined : seconds * 1_000;
}

/** Without a behaviour at most twice as many, or four. */
function plainLimit({ current, minReplicas, maxReplicas }: NormalizeInput, wanted: number): Limit {
  const rate = Math.max(2 * current, 4);
  const limit =
    maxReplicas > rate ? { replicas: rate, ...tooFast('increasing', 'ScaleUpLimit') } : tooMany(maxReplicas);
  if (wanted < minReplicas) return tooFew(minReplicas);
  return wanted > limit.replicas ? limit : { replicas: wanted, ...inRange };
}

function tooFast(direction: string, reason: string): Explanation {
  return { reason, message: `the desired replica count is ${direction} faster than the maximum scale rate` };
}

function tooMany(replicas: number): Limit {
  const message = 'the desired replica count is more than the maximum replica count';
  return { replicas, reason: 'TooManyReplicas', message };
}

function tooFew(replicas: number): Limit {
  const message = 'the desired replica count is less than the minimum replica count';
  return { replicas, reason: 'TooFewReplicas', message };
}
