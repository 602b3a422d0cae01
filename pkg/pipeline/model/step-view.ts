/** What the parts of the state machine share: facts of the world, what can be asked for, and one step as it is looked at. */
import type { StepPhase, StepSpec, StepStatus } from './types.ts';

/** What is seen of a step's pod. */
export type PodFacts =
  | { readonly state: 'absent' }
  | { readonly state: 'running'; readonly name: string }
  | {
      readonly state: 'ended';
      readonly name: string;
      readonly succeeded: boolean;
      readonly reason: string;
      /** What it left as its last words; for a build the name of the image. */
      readonly message: string;
    };

/** What is seen of a step's Deployment. */
export type TargetFacts =
  | { readonly state: 'refused'; readonly reason: 'Forbidden' | 'TargetMissing'; readonly message: string }
  | {
      readonly state: 'present';
      /** Of the container. */
      readonly image: string;
      /** Whose step has it; `other` runs end, and so do their steps. */
      readonly holder: 'me' | 'none' | 'other';
      /** Whether a later push of the same pipeline has been there. */
      readonly isLater: boolean;
      readonly rollout: 'complete' | 'failed' | 'progressing';
      /** What is wrong with pods of the new version. */
      readonly unhealthy?: string;
      /** What the rule of the step gives; undefined while it cannot be told. */
      readonly metric?: number;
    };

/** The world as a run sees it now. Targets are read from the server itself, not from a copy that may be behind. */
export interface World {
  pod(step: string): PodFacts;
  target(step: string): TargetFacts;
}

/** What is to be done. */
export type Act =
  | { readonly type: 'createPod'; readonly step: string }
  | { readonly type: 'deletePod'; readonly step: string }
  /** One write: the image, the hold, and the image before; only if nobody has written since it was looked at. */
  | { readonly type: 'promote'; readonly step: string; readonly image: string }
  /** One write: the image before, and no hold. */
  | { readonly type: 'rollBack'; readonly step: string }
  /** One write: no hold. */
  | { readonly type: 'release'; readonly step: string };

/** What is known then, what is to be done, and when to look again whatever happens. */
export interface Decision<S> {
  readonly status: S;
  readonly acts: readonly Act[];
  readonly wakeMs: number | undefined;
}

/** A step as it is decided on. */
export interface StepView {
  readonly step: StepSpec;
  readonly after: readonly string[];
  readonly status: StepStatus;
  readonly nowMs: number;
  readonly now: string;
  readonly timeoutMs: number;
  readonly isCancelled: boolean;
  readonly isApproved: boolean;
}

/** Whether a step in this phase has ended. */
export function isFinal(phase: StepPhase): boolean {
  switch (phase) {
    case 'Pending':
    case 'Approval':
    case 'Running':
      return false;
    case 'Succeeded':
    case 'Failed':
    case 'RolledBack':
    case 'Cancelled':
    case 'Skipped':
      return true;
  }
}

/** The time after `since`; from now on where that is not known. */
export function deadlineMs(since: string | undefined, nowMs: number, afterMs: number): number {
  const sinceMs = since === undefined ? nowMs : Date.parse(since);
  return (Number.isNaN(sinceMs) ? nowMs : sinceMs) + afterMs;
}

/** Why a step is to stop now; undefined while it may go on. */
export function stopReason(
  view: StepView,
): { readonly phase: 'Cancelled' | 'Failed'; readonly reason: string } | undefined {
  if (view.isCancelled) return { phase: 'Cancelled', reason: 'Cancelled' };
  if (view.nowMs < deadlineMs(view.status.startTime, view.nowMs, view.timeoutMs)) return undefined;
  return { phase: 'Failed', reason: 'DeadlineExceeded' };
}
