/** What a pod's status and its conditions are made from. */
import type { Pod, ResourceStatus } from '#pkg/api/types/core-v1.ts';
import type { PodView } from '../model/pod-view.ts';
import type { ResizeState } from '../model/resize.ts';

/** Why a container that should run does not, by name: what was tried last and how it went. */
export type WaitingReasons = ReadonlyMap<string, { readonly reason: string; readonly message: string }>;

/** What a status follows from. */
export interface PodStatusInput {
  readonly pod: Pod;
  /** The pod with the resources that the node has allotted to it. Default: what it asks for. */
  readonly allotted?: Pod;
  /** Default: none is under way. */
  readonly resize?: ResizeState;
  readonly view: PodView;
  readonly waiting: WaitingReasons;
  readonly runtimeName: string;
  /** The node's addresses, the first one first. */
  readonly hostIps: readonly string[];
  /** When the kubelet first saw the pod. */
  readonly startTimeMs: number;
  readonly nowMs: number;
  /** Nothing will be started any more. */
  readonly terminal: boolean;
  /** Everything has stopped and will not run again: containers of unknown fate count as ended. */
  readonly finished: boolean;
  /** Overrides what the containers say: the pod was evicted, has run too long, … */
  readonly failure?: PodFailure;
  /** How the devices of plugins are that a container has. Default: it has none. */
  devicesOf?(container: string): readonly ResourceStatus[];
}

/** Why a pod has failed as a whole. */
export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** The kubelet ended it for the sake of the node. */
  readonly isEviction?: true;
}
