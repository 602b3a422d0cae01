/** What the parts of a pod's state look at, and none of them writes. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { Runtime, RuntimeContainer, Sandbox } from '../runtime/runtime.ts';
import type { PodContext } from './pod-context.ts';

/** What is known of one pod. */
export interface PodFacts {
  readonly context: PodContext;
  readonly runtime: Runtime;
  readonly uid: string;
  /** The newest object. */
  readonly pod: Pod;
  /** The same with the resources that the node has allotted to it. */
  allotted(): Pod;
}

/** What was there of a pod when the kubelet started. */
export interface FoundPod {
  readonly sandboxes: readonly Sandbox[];
  readonly containers: readonly RuntimeContainer[];
  /** Those that the pod has kept; none when they are to be asked for again. */
  readonly addresses: readonly string[];
}
