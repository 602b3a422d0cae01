/** Pods that a kubelet has from files of its node, and their mirrors: what the API shows of them. Source: `pkg/kubelet/types/pod_update.go`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** Annotations by which both are known. */
export const staticPodAnnotations = {
  /** Of a static pod: its uid. */
  hash: 'kubernetes.io/config.hash',
  /** Of a mirror: the hash of the pod that it shows. */
  mirror: 'kubernetes.io/config.mirror',
  /** Of a static pod: when its kubelet saw it first. */
  seen: 'kubernetes.io/config.seen',
  /** From where a kubelet has it: `api`, where nothing is said. */
  source: 'kubernetes.io/config.source',
} as const;

/** The API shows it, and its kubelet runs another one. */
export function isMirrorPod({ metadata }: Given<Pod>): boolean {
  return Object.hasOwn(metadata?.annotations ?? {}, staticPodAnnotations.mirror);
}

/** A kubelet has it from somewhere else than the API. */
export function isStaticPod({ metadata }: Pod): boolean {
  return (metadata?.annotations?.[staticPodAnnotations.source] ?? 'api') !== 'api';
}

/** Whether a mirror shows this pod, and not one of the same name from before. */
export function isMirrorOf(mirror: Pod, pod: Pod): boolean {
  const { hash, mirror: shown } = staticPodAnnotations;
  return mirror.metadata?.annotations?.[shown] === pod.metadata?.annotations?.[hash];
}
