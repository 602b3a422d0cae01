/** What pods ask of the plugins of their node, and what these answer. Types alone; `node-plugins.ts` implements it. */
import type { Container, Pod, ResourceStatus } from '#pkg/api/types/core-v1.ts';
import type { Device, Mount } from '../runtime/container-config.ts';
import type { PodFailure } from '../status/pod-status-input.ts';

/** Why a pod cannot have what it asks for: it may later, or is refused. Undefined where it has all. */
export type PluginNeed =
  | undefined
  | { readonly kind: 'later'; readonly message: string }
  | { readonly kind: 'never'; readonly failure: PodFailure };

/** What a container gets of plugins, beside what its pod says. */
export interface PluginParts {
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly devices: readonly Device[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Qualified names of the Container Device Interface. */
  readonly cdiDevices: readonly string[];
}

/** A container without any. */
export const noPluginParts: PluginParts = { env: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };

/** How far a pod has come that is given devices. */
export interface AllocateOptions {
  /** No kubelet has taken it before: then it is refused rather than made wait. */
  readonly isNew: boolean;
  /** A container that runs has its devices already. */
  isRunning(container: string): boolean;
  readonly signal: AbortSignal;
}

/**
 * The plugins of a node, as its pods see them.
 *
 * Laws:
 * 1. All but `partsFor` may be called again and do then only what is missing.
 * 2. `allocate` and `prepare` come before the sandbox of a pod, `partsFor` before each start of a container, `unprepare` and `over` after all has ended.
 * 3. What is rejected has a message that is fit for an event, and may be asked for again later.
 */
export interface PodPlugins {
  /** Gives the containers of a pod their devices. */
  allocate(pod: Pod, options: AllocateOptions): Promise<PluginNeed>;
  /** Has the claims of a pod made ready. */
  prepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /** What a container gets that is about to start. */
  partsFor(pod: Pod, container: Container, signal: AbortSignal): Promise<PluginParts>;
  /** Gives the claims of a pod back. */
  unprepare(pod: Pod, signal: AbortSignal): Promise<void>;
  /** Nothing of the pod runs any more: its devices are free. */
  over(podUid: string): void;
  /** How the devices of a container are. */
  statusOf(podUid: string, container: string): readonly ResourceStatus[];
}
