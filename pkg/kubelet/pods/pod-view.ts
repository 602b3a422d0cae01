/** What the kubelet knows of a pod's sandbox and containers at one moment: the input of the pure decisions. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import type { RuntimeContainer } from '../runtime/runtime.ts';

/** The newest container of one name. */
export interface ContainerView extends RuntimeContainer {
  /** Its startup probe has succeeded (or it has none) and its postStart hook is over. Only for running ones. */
  readonly started: boolean;
  /** Result of its readiness probe; true without one. Only for running ones. */
  readonly ready: boolean;
  /** The probe that gave it up. */
  readonly failedProbe?: 'liveness' | 'startup';
  /** The last container of this name before this one. */
  readonly previous?: RuntimeContainer;
  /** Known from the API alone: the runtime has nothing of it any more. */
  readonly lost?: boolean;
}

export interface PodView {
  readonly sandbox: { readonly id: string; readonly ip: string; readonly attempt: number } | undefined;
  /** Sandboxes made so far. */
  readonly sandboxAttempts: number;
  readonly containers: ReadonlyMap<string, ContainerView>;
}

/** An init container that goes on running beside the others: a sidecar. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** Every container of a pod: init containers first. */
export function allContainers(pod: Pod): readonly Container[] {
  const spec = pod.spec;
  if (spec?.initContainers === undefined) return spec?.containers ?? [];
  return [...spec.initContainers, ...spec.containers];
}

/** `name_namespace(uid)`: how messages name a pod. */
export function podDescription(pod: Pod): string {
  return `${pod.metadata?.name}_${pod.metadata?.namespace}(${pod.metadata?.uid})`;
}

/** What a container is made from, of that which may be changed in place: its name and image. */
export function specHashOf(container: Container): string {
  return `${container.name}|${container.image ?? ''}`;
}
