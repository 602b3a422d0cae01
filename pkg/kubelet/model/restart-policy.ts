/**
 * Which containers are started again after they ended: a container's own rules first, then its own policy, then the pod's. Pure.
 * Source: KEP-5307 (container restart policy), `pkg/api/v1/pod` `ContainerShouldRestart`.
 */
import type { Container, ContainerRestartRule, Pod } from '#pkg/api/types/core-v1.ts';
import { isSidecar, type PodView } from './pod-view.ts';

/** Whether a container that exited so is started again. */
export function restartsAfterExit(pod: Pod, container: Container, exitCode: number): boolean {
  if (container.restartPolicyRules?.some((rule) => matches(rule, exitCode)) === true) return true;
  const policy = container.restartPolicy || (pod.spec?.restartPolicy ?? 'Always');
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** An init container has failed and is not tried again: the pod never gets to its regular containers. */
export function initFailedForGood(pod: Pod, view: PodView): boolean {
  return (pod.spec?.initContainers ?? []).some((container) => {
    const current = view.containers.get(container.name);
    if (isSidecar(container) || current?.state !== 'exited' || current.exitCode === 0) return false;
    return !restartsAfterExit(pod, container, current.exitCode ?? 0);
  });
}

/** Every rule restarts: what is not named by one is left to the policy. */
function matches({ exitCodes }: ContainerRestartRule, exitCode: number): boolean {
  if (exitCodes === undefined) return false;
  const isListed = exitCodes.values?.includes(exitCode) === true;
  return exitCodes.operator === 'NotIn' ? !isListed : isListed;
}
