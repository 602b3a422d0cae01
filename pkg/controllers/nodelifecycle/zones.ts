/**
 * How fast nodes may be given up. When many fall silent together it is more likely the network than the nodes, so that eviction
 * slows down, or stops when every zone is gone. Upstream counterpart: `ReducedQPSFunc`, `ComputeZoneState`, `handleDisruption`.
 */
import type { Node } from '#pkg/api/types/core-v1.ts';
import { readyCondition } from './health.ts';

/** Nodes given up a second in a healthy zone, and in a large one that is partly disrupted. */
const evictionQps = 0.1;
const secondaryEvictionQps = 0.01;
/** Nodes in a zone up to which a partly disrupted one stops evicting. */
const largeZoneNodes = 50;
/** Share of a zone's nodes not ready from which it counts as disrupted. */
const unhealthyShare = 0.55;

type ZoneState = 'normal' | 'partial' | 'full';

/** The region and zone of a node in one text; `:` where it names neither. */
export function zoneOf(node: Node): string {
  const labels = node.metadata?.labels ?? {};
  return `${labels['topology.kubernetes.io/region'] ?? ''}:${labels['topology.kubernetes.io/zone'] ?? ''}`;
}

function zoneState(nodes: readonly Node[]): ZoneState {
  const notReady = nodes.filter((node) => readyCondition(node)?.status !== 'True').length;
  const ready = nodes.length - notReady;
  if (ready === 0 && notReady > 0) return 'full';
  if (notReady > 2 && notReady / nodes.length >= unhealthyShare) return 'partial';
  return 'normal';
}

/** Nodes a second that may be given up in each zone; `down` when every zone is disrupted entirely, for then the fault is ours. */
export function evictionRates(nodes: readonly Node[]): ReadonlyMap<string, number> | 'down' {
  const counted = nodes.filter((node) => readyCondition(node) !== undefined && !isExcluded(node));
  const rates = new Map<string, number>();
  let isDown = counted.length > 0;
  for (const [zone, members] of Map.groupBy(counted, zoneOf)) {
    const state = zoneState(members);
    if (state !== 'full') isDown = false;
    if (state !== 'partial') rates.set(zone, evictionQps);
    else rates.set(zone, members.length > largeZoneNodes ? secondaryEvictionQps : 0);
  }
  return isDown ? 'down' : rates;
}

/** Nodes that say nothing of the health of their zone, as their users know. */
function isExcluded(node: Node): boolean {
  return node.metadata?.labels?.['node.kubernetes.io/exclude-disruption'] !== undefined;
}

/** Token buckets of one node each, by zone. */
export class ZoneLimiter {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** Starts over, with a token for each zone. */
  reset(): void {
    this.#buckets.clear();
  }

  /** Takes a token of a zone at a rate; false when there is none yet. */
  tryTake(zone: string, rate: { readonly qps: number; readonly nowMs: number }): boolean {
    const bucket = this.#buckets.get(zone) ?? { tokens: 1, atMs: rate.nowMs };
    this.#buckets.set(zone, bucket);
    bucket.tokens = Math.min(1, bucket.tokens + ((rate.nowMs - bucket.atMs) / 1_000) * rate.qps);
    bucket.atMs = rate.nowMs;
    // A rate of 0 stops also what was saved up; rounding must not cost a whole period.
    if (rate.qps === 0 || bucket.tokens < 1 - 1e-9) return false;
    bucket.tokens = 0;
    return true;
  }
}
