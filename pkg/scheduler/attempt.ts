/** One attempt to schedule a pod, and what comes of it. */
import type { Extender } from './extender/extender.ts';
import type { Cycle } from './framework/cycle.ts';
import type { Status } from './framework/status.ts';
import type { PodInfo } from './model/pod-info.ts';
import type { ProfileRun } from './profile-run.ts';
import type { QueuedPod } from './queue/scheduling-queue.ts';

/** One attempt. */
export interface Attempt {
  /** The pod's place in the queue, whose pod may change meanwhile. */
  readonly entry: QueuedPod;
  /** The decision's view of the cluster, with the pod as it was when it was taken. */
  readonly cycle: Cycle;
  /** By which it is decided. */
  readonly by: ProfileRun;
  /** Those that are interested in the pod. */
  readonly extenders: readonly Extender[];
  /** When the pod was taken. Milliseconds. */
  readonly startMs: number;
}

/** Who has to go for the pod of an attempt. */
export interface Eviction {
  readonly victims: readonly PodInfo[];
  readonly nodeName: string;
}

/** What became of an attempt on its node. */
export interface NodeStatus {
  readonly nodeName: string;
  readonly status: Status;
  /** Whether the node stays promised to the pod when it could not be bound. */
  readonly keepsPromise?: boolean;
}
