/** Faults of a cluster whose parts are in reach: its clock and the probes of its simulated pods, beside those of requests. */
import type { Clock } from '#pkg/base/clock.ts';
import { ShiftedClock } from '#pkg/base/shifted-clock.ts';
import { FaultSet } from './fault-set.ts';
import { RequestFaults } from './request-faults.ts';

/** A probe of a container. */
export interface ProbedContainer {
  readonly node: string;
  readonly namespace: string;
  readonly pod: string;
  /** `liveness`, `readiness` or `startup`. */
  readonly probe: string;
}

/** What acts on a cluster. */
export interface ClusterFaults {
  readonly rules: FaultSet;
  readonly requests: RequestFaults;
  /** The clock of everything in it, whose time of day jumps. */
  readonly clock: Clock;
  /** What a probe fails with; undefined where it finds what there is. */
  probe(probed: ProbedContainer): string | undefined;
}

/** The faults of a cluster on `clock`, with `data` as its first rules. Throws `FaultRuleError`. */
export function clusterFaults(
  clock: Clock,
  { seed, data }: { readonly seed: number; readonly data: unknown },
): ClusterFaults {
  const rules = new FaultSet({ clock, seed, places: ['cluster', 'server', 'store'] });
  const requests = new RequestFaults(rules, clock);
  rules.add(data);
  const jumpedMs = (): number => rules.active('clock-jump').reduce((sum, { byMs }) => sum + byMs, 0);
  const has = (words: readonly string[] | undefined, word: string): boolean =>
    words === undefined || words.includes(word);
  return {
    rules,
    requests,
    clock: new ShiftedClock(clock, jumpedMs),
    probe: ({ node, namespace, pod, probe }) => {
      const fault = rules.pick(
        (rule) =>
          rule.fault === 'probe-failure' &&
          has(rule.nodes, node) &&
          has(rule.namespaces, namespace) &&
          has(rule.objects, pod) &&
          has(rule.probes, probe),
      );
      return fault === undefined ? undefined : `fault ${JSON.stringify(fault.rule.name)}`;
    },
  };
}
