/**
 * Keeps the ConfigMap that says since when the servers of the cluster keep the use of tokens that Secrets hold, without which nobody takes such tokens away.
 * Upstream counterpart: `pkg/controlplane/controller/legacytokentracking`.
 */
import { dayOf, dayStartMs, tokenTrackingName } from '#pkg/api/core/legacy-tokens.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ConfigMapKeeper, keptConfigMap } from './kept-config-map.ts';

/** How soon one that was deleted is made again. Source: the limit of creations of upstream's controller. */
const periodMs = 30 * 60_000;

/** Makes the component: a day that is there and can be read stays. */
export function createTokenTracking(keeper: ConfigMapKeeper): Component {
  return keptConfigMap(keeper, {
    name: tokenTrackingName,
    periodMs,
    wanted: (data) =>
      dayStartMs(data?.since) === undefined ? { ...data, since: dayOf(keeper.clock.nowMs()) } : undefined,
    complaint: 'Cannot write since when the use of tokens is kept',
  });
}
