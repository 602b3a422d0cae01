/** The phase of a pod from the states of its containers. Source: kubelet `getPhase`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isSidecar, type PodView } from '../model/pod-view.ts';
import { initFailedForGood, restartsAfterExit } from '../model/restart-policy.ts';

/** The phases that a kubelet writes. */
export type PodPhase = 'Failed' | 'Pending' | 'Running' | 'Succeeded';

/** `podIsTerminal` says that nothing will be started any more. */
export function podPhase(pod: Pod, view: PodView, podIsTerminal: boolean): PodPhase {
  const spec = pod.spec;
  if (spec === undefined) return 'Pending';
  const regular = spec.containers.map((container) => view.containers.get(container.name));
  const begun = regular.every((container) => container !== undefined && container.state !== 'created');
  if (!begun || !initialized(pod, view)) {
    return podIsTerminal || initFailedForGood(pod, view) ? 'Failed' : 'Pending';
  }
  const sidecars = (spec.initContainers ?? []).filter(isSidecar).map(({ name }) => view.containers.get(name));
  // A pod is not over while a sidecar still ends.
  if ([...regular, ...sidecars].some((container) => container?.state === 'running')) return 'Running';
  const succeeded = regular.every((container) => container?.exitCode === 0);
  if (podIsTerminal) return succeeded ? 'Succeeded' : 'Failed';
  const restarts = spec.containers.some((one, index) => restartsAfterExit(pod, one, regular[index]?.exitCode ?? 0));
  if (restarts) return 'Running';
  return succeeded ? 'Succeeded' : 'Failed';
}

/** Every init container has done its part at least once, or a regular one has begun. */
export function initialized(pod: Pod, view: PodView): boolean {
  const begun = (pod.spec?.containers ?? []).some((container) => {
    const current = view.containers.get(container.name);
    return current !== undefined && current.state !== 'created' && !current.lost;
  });
  if (begun) return true;
  return (pod.spec?.initContainers ?? []).every((container) => {
    const current = view.containers.get(container.name);
    if (current === undefined) return false;
    if (isSidecar(container)) return current.state === 'running' && current.started;
    return current.state === 'exited' && current.exitCode === 0;
  });
}
