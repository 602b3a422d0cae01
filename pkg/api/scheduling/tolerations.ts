/**
 * Which taints a pod bears: what the scheduler, the kubelet and the eviction of pods from tainted nodes must agree on.
 * Source: API reference, `Toleration` v1. Upstream counterpart: component-helpers `scheduling/corev1`.
 */
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';

/** Whether one toleration tolerates the taint. The operators `Gt` and `Lt` are not enabled in 1.36 and tolerate nothing. */
export function toleratesTaint(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? 'Equal') {
    case '':
    case 'Equal':
      return (toleration.key ?? '') === taint.key && (toleration.value ?? '') === (taint.value ?? '');
    case 'Exists':
      return true;
    default:
      return false;
  }
}

/** The first taint that keeps pods away (`NoSchedule`, `NoExecute`) and that nothing tolerates. */
export function untoleratedTaint(taints: readonly Taint[], tolerations: readonly Toleration[]): Taint | undefined {
  return taints.find(
    (taint) =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') &&
      !tolerations.some((toleration) => toleratesTaint(toleration, taint)),
  );
}
