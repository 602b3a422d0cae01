/** How long a pod bears the NoExecute taints of its node. Pure. Upstream counterpart: `component-helpers` `corev1.GetMatchingTolerations`. */
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';

/** Whether a toleration is for a taint. Source: API reference, `Toleration`. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
    case '':
      return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
    case 'Lt':
      return compare(toleration, taint, (taintValue, limit) => taintValue < limit);
    case 'Gt':
      return compare(toleration, taint, (taintValue, limit) => taintValue > limit);
    default:
      return false;
  }
}

function compare(toleration: Toleration, taint: Taint, holds: (taint: number, limit: number) => boolean): boolean {
  const [limit, value] = [toleration.value ?? '', taint.value ?? ''];
  return /^-?\d+$/.test(limit) && /^-?\d+$/.test(value) && holds(Number(value), Number(limit));
}

/** Milliseconds that a pod may stay: 0 when a taint is not tolerated, Infinity when all are without a limit. */
export function toleratedMs(tolerations: readonly Toleration[], taints: readonly Taint[]): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    for (const { tolerationSeconds } of matching)
      if (tolerationSeconds !== undefined) leastMs = Math.min(leastMs, Math.max(0, tolerationSeconds * 1_000));
  }
  return leastMs;
}
