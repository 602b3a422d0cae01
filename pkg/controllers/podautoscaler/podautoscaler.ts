/**
 * Scales what autoscalers name by what their metrics say: every sync period each is looked at once, whatever happens in between. Invariant: the target
 * has as many replicas as the metric that asks for most, within what the autoscaler's limits and its behaviour allow, and is left alone when a metric
 * that may ask for more cannot be had. Upstream counterpart: `pkg/controller/podautoscaler`.
 */
import type { Scale } from '#pkg/api/types/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
} from '#pkg/api/types/autoscaling-v2.ts';
import { horizontalPodAutoscalers, pods } from '#pkg/api/types/refs.ts';
import { setCondition } from '#pkg/apimachinery/conditions.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { AutoscalerMetrics } from './autoscaler-metrics.ts';
import { type Normalized, ScaleHistory } from './behavior.ts';
import { MetricProblem, type MetricProposal, propose } from './metric-proposals.ts';
import { MetricsSource } from './metrics-source.ts';
import type { podAutoscalerFlags } from './podautoscaler-flags.ts';
import { milliOf, type Tolerances } from './replica-calculator.ts';
import { TargetPods } from './target-pods.ts';
import { TargetScales } from './target-scale.ts';

type Values = FlagValues<typeof podAutoscalerFlags>;

/** The autoscaling controller. Throws for a tolerance that is no number. */
export function createPodAutoscaler(context: ControllerContext, values: Values): Component {
  return new PodAutoscaler(context, values);
}

/** One look at one autoscaler: what its status will be, and what is to be said. */
interface Look {
  readonly key: string;
  readonly hpa: HorizontalPodAutoscaler;
  readonly signal: AbortSignal;
  status: HorizontalPodAutoscalerStatus;
}

/** What metrics ask for, and what could not be had of them. */
interface Wanted {
  readonly replicas: number;
  readonly metric: string;
  readonly statuses: readonly MetricStatus[];
  readonly problem: Error | undefined;
}

/** Nothing can be done; the status and an event say why. */
class Unable extends Error {
  override readonly name = 'Unable';
}

class PodAutoscaler implements Component {
  readonly #context: ControllerContext;
  readonly #values: Values;
  readonly #tolerance: number;
  readonly #events: EventRecorder;
  readonly #informer: Informer<HorizontalPodAutoscaler>;
  readonly #targets: TargetPods;
  readonly #loop: Loop;
  readonly #scales: TargetScales;
  readonly #source: MetricsSource;
  readonly #metrics: AutoscalerMetrics;
  /** By key. Bounded by the autoscalers that there are. */
  readonly #histories = new Map<string, ScaleHistory>();

  constructor(context: ControllerContext, values: Values) {
    this.#context = context;
    this.#values = values;
    this.#tolerance = (milliOf(values['horizontal-pod-autoscaler-tolerance']) ?? Number.NaN) / 1_000;
    if (!(this.#tolerance >= 0)) throw new Error('Cannot use --horizontal-pod-autoscaler-tolerance as it is no number');
    this.#events = context.recorder('horizontal-pod-autoscaler');
    this.#informer = context.informers.informer(horizontalPodAutoscalers);
    this.#targets = new TargetPods(context.informers.informer(pods));
    this.#scales = new TargetScales(context.client);
    this.#source = new MetricsSource(context.client);
    this.#metrics = new AutoscalerMetrics(context);
    const periodMs = values['horizontal-pod-autoscaler-sync-period'];
    this.#loop = createLoop(context, {
      name: 'horizontalpodautoscaler',
      workers: values['concurrent-horizontal-pod-autoscaler-syncs'],
      reconcile: (key, signal) => this.#reconcile(key, signal),
      // Trying sooner would find the same metrics.
      retry: { baseDelayMs: periodMs, maxDelayMs: periodMs },
    });
    const later = (hpa: HorizontalPodAutoscaler): void => this.#loop.queue.addAfter(objectKey(hpa), periodMs);
    this.#informer.addHandler({
      added: later,
      updated: (_, hpa) => later(hpa),
      deleted: (hpa) => {
        this.#histories.delete(objectKey(hpa));
        this.#targets.forget(objectKey(hpa));
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const hpa = this.#informer.lister.get(key);
    if (hpa === undefined) return undefined;
    const look: Look = {
      key,
      hpa,
      signal,
      status: { ...hpa.status, desiredReplicas: hpa.status?.desiredReplicas ?? 0 },
    };
    const problem = await this.#metrics.timed(() => this.#look(look));
    await this.#writeStatus(look);
    if (problem !== undefined) throw problem;
    return { requeueAfterMs: this.#values['horizontal-pod-autoscaler-sync-period'] };
  }

  /** Looks and scales. What went wrong is told of once the status is written. */
  async #look(look: Look): Promise<{ readonly action: 'none' | 'scale_down' | 'scale_up'; readonly problem?: Error }> {
    const { spec, metadata } = look.hpa;
    const reference = `${spec.scaleTargetRef.kind}/${metadata?.namespace}/${spec.scaleTargetRef.name}`;
    let scale: Scale;
    try {
      scale = await this.#scales.get(look.hpa, look.signal);
    } catch (error) {
      look.signal.throwIfAborted();
      const why = errorText(error);
      this.#warn(look, 'FailedGetScale', why);
      this.#condition(look, 'AbleToScale', {
        status: 'False',
        reason: 'FailedGetScale',
        message: `the HPA controller was unable to get the target's current scale: ${why}`,
      });
      return { action: 'none', problem: new Unable(`failed to query scale subresource for ${reference}: ${why}`) };
    }
    this.#condition(look, 'AbleToScale', {
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    });
    const current = scale.spec?.replicas ?? 0;
    this.#historyOf(look.key).begin(current, this.#nowMs);
    const decided = await this.#decide(look, { scale, current });
    if (decided instanceof Unable) {
      const { desiredReplicas, currentMetrics } = look.status;
      this.#tell(look, { current, desired: desiredReplicas, statuses: currentMetrics ?? undefined });
      this.#warn(look, 'FailedComputeMetricsReplicas', decided.message);
      const why = `failed to compute desired number of replicas based on listed metrics for ${reference}: ${decided.message}`;
      return { action: 'none', problem: new Unable(why) };
    }
    const { desired, reason, wanted } = decided;
    const problem = wanted?.problem;
    if (desired === current) {
      this.#tell(look, { current, desired: current, statuses: wanted?.statuses });
      return { action: 'none', ...(problem === undefined ? {} : { problem }) };
    }
    return this.#rescale(look, { scale, current, desired, reason, reference, wanted });
  }

  async #rescale(
    look: Look,
    done: {
      readonly scale: Scale;
      readonly current: number;
      readonly desired: number;
      readonly reason: string;
      readonly reference: string;
      readonly wanted: Wanted | undefined;
    },
  ): Promise<{ readonly action: 'none' | 'scale_down' | 'scale_up'; readonly problem?: Error }> {
    const { scale, current, desired, reason, reference, wanted } = done;
    const said = `New size: ${desired}; reason: ${reason}`;
    try {
      await this.#scales.set(look.hpa, { ...scale, spec: { ...scale.spec, replicas: desired } }, look.signal);
    } catch (error) {
      look.signal.throwIfAborted();
      const why = errorText(error);
      this.#warn(look, 'FailedRescale', `${said}; error: ${why}`);
      this.#condition(look, 'AbleToScale', {
        status: 'False',
        reason: 'FailedUpdateScale',
        message: `the HPA controller was unable to update the target scale: ${why}`,
      });
      const { desiredReplicas, currentMetrics } = look.status;
      this.#tell(look, { current, desired: desiredReplicas, statuses: currentMetrics ?? undefined });
      return { action: 'none', problem: new Unable(`failed to rescale ${reference}: ${why}`) };
    }
    this.#condition(look, 'AbleToScale', {
      status: 'True',
      reason: 'SucceededRescale',
      message: `the HPA controller was able to update the target scale to ${desired}`,
    });
    this.#events.record(look.hpa, { type: 'Normal', reason: 'SuccessfulRescale', message: said });
    this.#historyOf(look.key).scaled({ from: current, to: desired, nowMs: this.#nowMs });
    this.#tell(look, { current, desired, statuses: wanted?.statuses });
    look.status = { ...look.status, lastScaleTime: timestamp(this.#context.clock) };
    const problem = wanted?.problem;
    return { action: desired > current ? 'scale_up' : 'scale_down', ...(problem === undefined ? {} : { problem }) };
  }

  /** How many there should be, and why; `Unable` where the metrics do not say. */
  async #decide(
    look: Look,
    { scale, current }: { readonly scale: Scale; readonly current: number },
  ): Promise<Unable | { readonly desired: number; readonly reason: string; readonly wanted: Wanted | undefined }> {
    const { minReplicas = 1, maxReplicas, behavior } = look.hpa.spec;
    if (current === 0 && minReplicas !== 0) {
      const message = 'scaling is disabled since the replica count of the target is zero';
      this.#condition(look, 'ScalingActive', { status: 'False', reason: 'ScalingDisabled', message });
      return { desired: 0, reason: '', wanted: undefined };
    }
    if (current > maxReplicas) {
      return { desired: maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas', wanted: undefined };
    }
    if (current < minReplicas) {
      return { desired: minReplicas, reason: 'Current number of replicas below Spec.MinReplicas', wanted: undefined };
    }
    const wanted = await this.#wanted(look, scale);
    if (wanted instanceof Unable) return wanted;
    const desired = wanted.replicas;
    const reason =
      desired > current ? `${wanted.metric} above target` : desired < current ? 'All metrics below target' : '';
    const normalized = this.#historyOf(look.key).normalize({
      behavior,
      minReplicas,
      maxReplicas,
      current,
      desired,
      downscaleStabilizationMs: this.#values['horizontal-pod-autoscaler-downscale-stabilization'],
      nowMs: this.#nowMs,
    });
    this.#explain(look, normalized);
    return { desired: normalized.replicas, reason, wanted };
  }

  #explain(look: Look, { ableToScale, limited }: Normalized): void {
    this.#condition(look, 'AbleToScale', { status: 'True', ...ableToScale });
    this.#condition(look, 'ScalingLimited', limited);
  }

  /** The most that a metric asks for. */
  async #wanted(look: Look, scale: Scale): Promise<Unable | Wanted> {
    const found = this.#targets.of(look.key, scale.status?.selector ?? '');
    if ('refused' in found) {
      const { event, said, reason, message } = found.refused;
      this.#warn(look, event, said);
      this.#condition(look, 'ScalingActive', { status: 'False', reason, message });
      return new Unable(said);
    }
    const { metrics = [], behavior } = look.hpa.spec;
    const tolerances: Tolerances = {
      up: (milliOf(behavior?.scaleUp?.tolerance) ?? this.#tolerance * 1_000) / 1_000,
      down: (milliOf(behavior?.scaleDown?.tolerance) ?? this.#tolerance * 1_000) / 1_000,
    };
    const currentReplicas = scale.spec?.replicas ?? 0;
    const context = {
      hpa: look.hpa,
      source: this.#source,
      selector: scale.status?.selector ?? '',
      statusReplicas: scale.status?.replicas ?? 0,
      signal: look.signal,
      input: {
        pods: found.pods,
        currentReplicas,
        tolerances,
        nowMs: this.#nowMs,
        cpuInitializationMs: this.#values['horizontal-pod-autoscaler-cpu-initialization-period'],
        initialReadinessMs: this.#values['horizontal-pod-autoscaler-initial-readiness-delay'],
      },
    };
    let most: MetricProposal | undefined;
    const statuses: MetricStatus[] = [];
    const problems: MetricProblem[] = [];
    for (const spec of metrics) {
      try {
        const proposal = await this.#metrics.computed(spec.type, currentReplicas, () => propose(spec, context));
        statuses.push(proposal.status);
        if (most === undefined || proposal.replicas > most.replicas) most = proposal;
      } catch (error) {
        if (!(error instanceof MetricProblem)) throw error;
        this.#warn(look, error.reason, error.detail);
        statuses.push({ type: '' });
        problems.push(error);
      }
    }
    return this.#sumUp(look, { most, statuses, problems, currentReplicas });
  }

  #sumUp(
    look: Look,
    found: {
      readonly most: MetricProposal | undefined;
      readonly statuses: readonly MetricStatus[];
      readonly problems: readonly MetricProblem[];
      readonly currentReplicas: number;
    },
  ): Unable | Wanted {
    const { most, statuses, problems, currentReplicas } = found;
    const [first] = problems;
    const problem =
      first === undefined
        ? undefined
        : new Unable(
            `invalid metrics (${problems.length} invalid out of ${statuses.length}), first error is: ${first.message}`,
          );
    // A metric that cannot be had might ask for what there is: fewer are not made of the others alone.
    if (most === undefined || (problem !== undefined && most.replicas < currentReplicas)) {
      if (first !== undefined) {
        const message = `the HPA was unable to compute the replica count: ${first.detail}`;
        this.#condition(look, 'ScalingActive', { status: 'False', reason: first.reason, message });
      }
      return problem ?? new Unable('no metrics are listed');
    }
    const message = `the HPA was able to successfully calculate a replica count from ${most.name}`;
    this.#condition(look, 'ScalingActive', { status: 'True', reason: 'ValidMetricFound', message });
    return { replicas: most.replicas, metric: most.name, statuses, problem };
  }

  #tell(
    look: Look,
    {
      current,
      desired,
      statuses,
    }: { readonly current: number; readonly desired: number; readonly statuses: readonly MetricStatus[] | undefined },
  ): void {
    const { conditions, lastScaleTime } = look.status;
    look.status = {
      ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
      currentReplicas: current,
      desiredReplicas: desired,
      currentMetrics: statuses ?? null,
      ...(conditions === undefined ? {} : { conditions }),
    };
  }

  #condition(
    look: Look,
    type: string,
    condition: Omit<HorizontalPodAutoscalerCondition, 'lastTransitionTime' | 'type'>,
  ): void {
    const conditions = setCondition(look.status.conditions, { type, ...condition }, timestamp(this.#context.clock));
    look.status = { ...look.status, conditions };
  }

  #warn({ hpa }: Look, reason: string, message: string): void {
    this.#events.record(hpa, { type: 'Warning', reason, message });
  }

  async #writeStatus({ hpa, status, signal }: Look): Promise<void> {
    if (deepEqual(hpa.status ?? {}, status)) return;
    try {
      await this.#context.client
        .resource(horizontalPodAutoscalers)
        .update({ ...hpa, status }, { subresource: 'status', signal });
    } catch (error) {
      signal.throwIfAborted();
      this.#events.record(hpa, { type: 'Warning', reason: 'FailedUpdateStatus', message: errorText(error) });
      throw error;
    }
  }

  #historyOf(key: string): ScaleHistory {
    let history = this.#histories.get(key);
    if (history === undefined) {
      history = new ScaleHistory();
      this.#histories.set(key, history);
    }
    return history;
  }

  get #nowMs(): number {
    return this.#context.clock.nowMs();
  }
}
