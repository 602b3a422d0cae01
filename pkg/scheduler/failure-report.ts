/** Tells the world why a pod has no node: the `FailedScheduling` event and the `PodScheduled` condition. */

import type { Pod, PodCondition } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { explanationAnnotation } from './framework/explanation-text.ts';
import { InFlight } from './in-flight.ts';

/** Status patches under way at once; further ones hold back the reporting pod's return, so that a flood of refusals stays a trickle of writes. */
const patchesInFlightMax = 32;

/** Longest message of an event; the condition holds the whole. Source: `NoteLengthLimit` of events.k8s.io. */
const eventMessageMax = 1_024;
const cutMark = ' ...';

/** `Unschedulable`: it fits nowhere. `SchedulerError`: the attempt itself failed. */
export type FailureReason = 'SchedulerError' | 'Unschedulable';

/** Why a pod has no node, and which node it may expect. */
export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
  /** What `status.nominatedNodeName` is to be: `''` for none; absent leaves it as it is. */
  readonly nominatedNodeName?: string | undefined;
  /** For a pod that asked for it. */
  readonly explanation?: string | undefined;
}

interface Said {
  readonly status: JsonObject;
  readonly annotations?: JsonObject;
}

/** What a reporter writes with. */
export interface FailureReporterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly recorder: EventRecorder;
}

/** Writes the failures of one scheduler; what the API says already is not written again. */
export class FailureReporter {
  readonly #options: FailureReporterOptions;
  readonly #inFlight = new InFlight(patchesInFlightMax);

  constructor(options: FailureReporterOptions) {
    this.#options = options;
  }

  /** Records the event and, where the status says something else, starts to patch it. Resolves when there is room for the next. */
  async report(pod: Pod, failure: Failure, signal: AbortSignal): Promise<void> {
    const { reason, message, nominatedNodeName: nominated } = failure;
    const note =
      message.length <= eventMessageMax ? message : message.slice(0, eventMessageMax - cutMark.length) + cutMark;
    this.#options.recorder.record(asEventObject(pod), { type: 'Warning', reason: 'FailedScheduling', message: note });
    const old = findCondition(pod.status?.conditions, 'PodScheduled');
    const isSaid = old?.status === 'False' && old.reason === reason && old.message === message;
    const isNominationSaid = nominated === undefined || nominated === (pod.status?.nominatedNodeName ?? '');
    const { explanation } = failure;
    const isExplained = explanation === undefined || pod.metadata?.annotations?.[explanationAnnotation] === explanation;
    if (isSaid && isNominationSaid && isExplained) return;
    const status = {
      conditions: [this.#condition(old, pod, failure)],
      ...(isNominationSaid ? {} : { nominatedNodeName: nominated || null }),
    };
    await this.#inFlight.room();
    this.#inFlight.track(
      this.#patch(
        pod,
        { status, ...(isExplained ? {} : { annotations: { [explanationAnnotation]: explanation } }) },
        signal,
      ),
    );
  }

  /** Resolves when no patch is under way. */
  idle(): Promise<void> {
    return this.#inFlight.idle();
  }

  #condition(old: PodCondition | undefined, pod: Pod, { reason, message }: Failure): PodCondition {
    const kept = old?.status === 'False' ? old.lastTransitionTime : undefined;
    const generation = pod.metadata?.generation;
    return {
      type: 'PodScheduled',
      status: 'False',
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      lastTransitionTime: kept ?? timestamp(this.#options.clock),
      reason,
      message,
    };
  }

  async #patch(pod: Pod, { status, annotations }: Said, signal: AbortSignal): Promise<void> {
    const { name = '', namespace = '', uid } = pod.metadata ?? {};
    const metadata = { ...(uid === undefined ? {} : { uid }), ...(annotations === undefined ? {} : { annotations }) };
    const patch = { metadata, status };
    try {
      await this.#options.client
        .resource(pods)
        .patch(name, patch, { namespace, type: 'strategic', subresource: 'status', signal });
    } catch (error) {
      if (signal.aborted || isNotFound(error) || isConflict(error)) return;
      this.#options.log.warn('Cannot write the condition of a pod', { pod: `${namespace}/${name}`, error });
    }
  }
}

/** The pod with its kind, which objects from lists lack. */
export function asEventObject(pod: Pod): Pod {
  return { ...pod, apiVersion: 'v1', kind: 'Pod' };
}
