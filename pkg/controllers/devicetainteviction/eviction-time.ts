/** When pods that use devices have to leave them for their taints. Pure. Source: API reference, `DeviceToleration` v1. */

import { type DeviceName, taintsDevice } from '#pkg/api/scheduling/device-taints.ts';
import { toleratesTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { DeviceTaint, DeviceToleration, ResourceClaim, ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { timeMs } from '../common/pod.ts';

/** That somebody has to go. */
export interface Eviction {
  /** By the clock on the wall, as taints say since when they are there. */
  readonly atMs: number;
  /** Uids of the rules that have a part in it. */
  readonly rules: ReadonlySet<string>;
}

/** Where taints come from. */
export interface TaintSources {
  /** All slices of a pool that there are, old ones too. */
  slicesOf(pool: Pick<DeviceName, 'driver' | 'pool'>): readonly ResourceSlice[];
  readonly rules: readonly DeviceTaintRule[];
}

interface SourcedTaint {
  readonly taint: DeviceTaint;
  /** Uid of the rule that it is from. */
  readonly rule?: string;
}

/** When the users of these claims have to go; undefined where they may stay. */
export function evictionOf(claims: readonly ResourceClaim[], sources: TaintSources): Eviction | undefined {
  const rules = new Set<string>();
  let atMs = Number.POSITIVE_INFINITY;
  for (const { status } of claims) {
    for (const device of status?.allocation?.devices?.results ?? []) {
      for (const { taint, rule } of taintsOf(device, sources)) {
        const borneMs = toleratedMs(device.tolerations ?? [], taint);
        if (borneMs === Number.POSITIVE_INFINITY) continue;
        atMs = Math.min(atMs, timeMs(taint.timeAdded) + borneMs);
        if (rule !== undefined) rules.add(rule);
      }
    }
  }
  return atMs === Number.POSITIVE_INFINITY ? undefined : { atMs, rules };
}

/** The devices that the newest slices of a pool have. */
export function newestDevices(slices: readonly ResourceSlice[]) {
  const newest = slices.reduce((most, { spec }) => (spec.pool.generation > most ? spec.pool.generation : most), 0);
  return slices.filter(({ spec }) => spec.pool.generation === newest).flatMap(({ spec }) => spec.devices ?? []);
}

function taintsOf(device: DeviceName, { slicesOf, rules }: TaintSources): readonly SourcedTaint[] {
  const published = newestDevices(slicesOf(device)).find(({ name }) => name === device.device)?.taints ?? [];
  const ruling = rules.filter((rule) => taintsDevice(rule, device));
  return [
    ...published.map((taint): SourcedTaint => ({ taint })),
    ...ruling.map(({ metadata, spec }): SourcedTaint => ({ taint: spec.taint, rule: metadata?.uid ?? '' })),
  ].filter(({ taint }) => taint.effect === 'NoExecute');
}

/** How long one taint is borne: 0 where it is not, Infinity for good. Seconds count only beside the effect that they are for. */
function toleratedMs(tolerations: readonly DeviceToleration[], taint: DeviceTaint): number {
  let leastMs: number | undefined;
  for (const toleration of tolerations) {
    if (!toleratesTaint(toleration, taint)) continue;
    const { effect, tolerationSeconds } = toleration;
    if (effect !== 'NoExecute' || tolerationSeconds === undefined) return Number.POSITIVE_INFINITY;
    leastMs = Math.min(leastMs ?? Number.POSITIVE_INFINITY, Math.max(0, doubleOf(tolerationSeconds) * 1_000));
  }
  return leastMs ?? 0;
}
