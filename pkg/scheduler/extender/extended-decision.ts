/**
 * The decision where extenders have a say: all plugins of all nodes first, then each extender in turn, which may only take nodes away, then the scores of all. While they
 * are waited for no other pod is decided; the cluster may change, which whoever uses the answer has to look at.
 */
import type { Logger } from '#pkg/base/logger.ts';
import type { Cycle } from '../framework/cycle.ts';
import type { Decision } from '../framework/decide.ts';
import { assess, type ExplainOptions, type RatedNode } from '../framework/explain.ts';
import type { PostFilterResult } from '../framework/plugin.ts';
import { type NodeRefusal, refusalsOf } from '../framework/refusals.ts';
import { success, unschedulable } from '../framework/status.ts';
import type { Extender } from './extender.ts';

/** By whom it is decided. */
export interface ExtendedOptions extends ExplainOptions {
  /** Those that are interested in the pod. */
  readonly extenders: readonly Extender[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Decides. Rejects where an extender that may not be ignored does not answer. */
export async function decideWithExtenders(cycle: Cycle, options: ExtendedOptions): Promise<Decision> {
  const { extenders, log, signal } = options;
  const { pod } = cycle.pod;
  const { refusedWhole, rated, refused } = assess(cycle, options);
  if (refusedWhole?.code === 'Error') return { kind: 'error', message: refusedWhole.reasons.join(', ') };
  const { nodeCount } = cycle.cluster;
  if (refusedWhole !== undefined) {
    const diagnosis = { nodeCount, preFilterMessage: refusedWhole.reasons.join(', '), reasonCounts: new Map() };
    const refusals = refusalsOf(Array.from(cycle.cluster.nodes(), (node) => ({ node, status: refusedWhole })));
    return { kind: 'unschedulable', diagnosis, rejectors: new Set([refusedWhole.plugin ?? '']), refusals };
  }
  const refusals: NodeRefusal[] = [...refused];
  let left: readonly RatedNode[] = rated;
  for (const extender of extenders) {
    if (left.length === 0) break;
    try {
      const { kept, refused: more } = await extender.filter(
        pod,
        left.map(({ node }) => node),
        signal,
      );
      left = left.filter(({ node }) => kept.includes(node));
      refusals.push(...more);
    } catch (error) {
      if (extender.spec.ignorable !== true) throw error;
      log.warn('An extender is ignored as it did not answer', { extender: extender.spec.urlPrefix, error });
    }
  }
  if (left.length === 0) return unschedulableBy(nodeCount, refusals);
  if (left.length === 1) return { kind: 'node', nodeName: left[0]?.node.name ?? '' };
  const totals = new Map(left.map(({ node, total }) => [node.name, total]));
  for (const extender of extenders) {
    try {
      const scores = await extender.prioritize(
        pod,
        left.map(({ node }) => node),
        signal,
      );
      for (const [name, score] of scores) {
        const total = totals.get(name);
        if (total !== undefined) totals.set(name, total + score);
      }
    } catch (error) {
      // As upstream: who does not rate has no preference.
      log.warn('An extender did not rate nodes', { extender: extender.spec.urlPrefix, error });
    }
  }
  const [best = ''] = [...totals].reduce((first, one) => (one[1] > first[1] ? one : first));
  return { kind: 'node', nodeName: best };
}

/** What is left of a way to make room once those extenders have had their say that take part in it. Rejects where one does not answer that may not be ignored. */
export async function agreedRoom(
  cycle: Cycle,
  result: PostFilterResult,
  { extenders, log, signal }: Pick<ExtendedOptions, 'extenders' | 'log' | 'signal'>,
): Promise<PostFilterResult> {
  const asked = extenders.filter(({ spec }) => spec.preemptVerb);
  if (asked.length === 0 || result.status.code !== 'Success' || result.candidates === undefined) return result;
  let { candidates } = result;
  for (const extender of asked) {
    if (candidates.length === 0) break;
    try {
      candidates = await extender.preempt(cycle, candidates, signal);
    } catch (error) {
      if (extender.spec.ignorable !== true) throw error;
      log.warn('An extender is ignored as it did not answer', { extender: extender.spec.urlPrefix, error });
    }
  }
  const best = result.choose?.(candidates) ?? candidates[0];
  if (best === undefined)
    return { status: unschedulable('preemption: no extender agrees to it'), nominatedNodeName: '' };
  return { status: success, nominatedNodeName: best.nodeName, victims: best.victims };
}

function unschedulableBy(nodeCount: number, refusals: readonly NodeRefusal[]): Decision {
  const reasonCounts = new Map<string, number>();
  const rejectors = new Set<string>();
  for (const { status } of refusals) {
    rejectors.add(status.plugin ?? '');
    for (const reason of status.reasons) reasonCounts.set(reason, (reasonCounts.get(reason) ?? 0) + 1);
  }
  return { kind: 'unschedulable', diagnosis: { nodeCount, reasonCounts }, rejectors, refusals: refusalsOf(refusals) };
}
