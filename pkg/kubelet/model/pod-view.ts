/** What the kubelet knows of a pod's sandbox and containers at one moment: the input of the pure decisions. */
import type { Container, ContainerPort, ContainerStatus, Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import type { RuntimeContainer } from '../runtime/runtime.ts';

/** The newest container of one name. */
export interface ContainerView extends RuntimeContainer {
  /** Its startup probe has succeeded (or it has none) and its postStart hook is over. Only for running ones. */
  readonly started: boolean;
  /** Result of its readiness probe; true without one. Only for running ones. */
  readonly ready: boolean;
  /** The resources of the pod's container that are in force. */
  readonly given?: ResourceRequirements;
  /** The probe that gave it up. */
  readonly failedProbe?: 'liveness' | 'startup';
  /** The last container of this name before this one. */
  readonly previous?: RuntimeContainer;
  /** Known from the API alone: the runtime has nothing of it any more. */
  readonly lost?: boolean;
}

/** The newest sandbox, and the newest container of each name. */
export interface PodView {
  readonly sandbox:
    | {
        readonly id: string;
        /** The pod's first one first; none before the network has given them. */
        readonly addresses: readonly string[];
        readonly attempt: number;
        readonly networkNamespace?: string;
        /** It has ended, and its address is given back. */
        readonly stopped?: boolean;
      }
    | undefined;
  /** Sandboxes made so far. */
  readonly sandboxAttempts: number;
  readonly containers: ReadonlyMap<string, ContainerView>;
}

/** An init container that goes on running beside the others: a sidecar. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

/** Every container of a pod: init containers first, ephemeral ones last. */
export function allContainers(pod: Pod): readonly Container[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  if (initContainers.length === 0 && ephemeralContainers.length === 0) return containers;
  return [...initContainers, ...containers, ...ephemeralContainers];
}

/** The container of a name, or undefined for one that the pod does not have. */
export function findContainer(pod: Pod, name: string): Container | undefined {
  return allContainers(pod).find((container) => container.name === name);
}

/** What the API says of the containers, in the same order. */
export function allStatuses(pod: Pod): readonly ContainerStatus[] {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
}

/** The ports of the node that a pod asks for. */
export function wantedHostPorts(pod: Pod): readonly ContainerPort[] {
  const { initContainers = [], containers = [] } = pod.spec ?? {};
  const ports = [...initContainers, ...containers].flatMap(({ ports: own = [] }) => own);
  return ports.filter(({ hostPort = 0 }) => hostPort > 0);
}

/** Which part of the pod an event about a container is of. Source: kubelet `container/ref.go` `fieldPath`. */
export function containerFieldPath(pod: Pod, name: string): string {
  const isOf = (list: readonly { readonly name: string }[] | undefined): boolean =>
    list?.some((container) => container.name === name) === true;
  if (isOf(pod.spec?.initContainers)) return `spec.initContainers{${name}}`;
  if (isOf(pod.spec?.ephemeralContainers)) return `spec.ephemeralContainers{${name}}`;
  return `spec.containers{${name}}`;
}

/** `name_namespace(uid)`: how messages name a pod. */
export function podDescription(pod: Pod): string {
  return `${pod.metadata?.name}_${pod.metadata?.namespace}(${pod.metadata?.uid})`;
}

/** What a container is made from, of that which may be changed in place: its name and image. */
export function specHashOf(container: Container): string {
  return `${container.name}|${container.image ?? ''}`;
}
