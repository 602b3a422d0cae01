/** How long a pod bears the NoExecute taints of its node. Pure. Upstream counterpart: `component-helpers` `corev1.GetMatchingTolerations`. */

import { toleratesTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';

/** Milliseconds that a pod may stay: 0 when a taint is not tolerated, Infinity when all are without a limit. */
export function toleratedMs(tolerations: readonly Toleration[], taints: readonly Taint[]): number {
  let leastMs = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const matching = tolerations.filter((toleration) => toleratesTaint(toleration, taint));
    if (matching.length === 0) return 0;
    for (const { tolerationSeconds } of matching)
      if (tolerationSeconds !== undefined)
        leastMs = Math.min(leastMs, Math.max(0, doubleOf(tolerationSeconds) * 1_000));
  }
  return leastMs;
}
