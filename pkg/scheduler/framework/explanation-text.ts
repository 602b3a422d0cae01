/** The explanation of a pod as an annotation, for pods that ask for it: short enough whatever the size of the cluster. */
import type { StateKey } from './cycle.ts';
import type { Explanation } from './explain.ts';

/** A pod with this annotation, of the value `true`, is told what the scheduler says of it. */
export const explainAnnotation = 'coxswain.dev/explain';

/** Where it is told: on the pod, with its binding or with the condition that says that it fits nowhere. */
export const explanationAnnotation = 'coxswain.dev/explanation';

/** Nodes whose scores are told, the best first, and different refusals: a line of 5,000 nodes is of no use to anybody. */
const nodesMax = 10;
const refusalsMax = 20;

/** The text of the annotation while a pod is scheduled. */
export const explanationText: StateKey<string> = { name: 'explanation' };

/** JSON: the node, how many nodes there are and take the pod, the best with their scores, and how many refuse it for which reason. */
export function explanationTextOf({ node, nodes, refusedWhole }: Explanation): string {
  const refusals = new Map<string, number>();
  for (const one of nodes) {
    if (!('refusedBy' in one)) continue;
    const why = `${one.refusedBy}: ${one.reasons.join(', ')}`;
    refusals.set(why, (refusals.get(why) ?? 0) + 1);
  }
  const rated = nodes.flatMap((one) => ('scores' in one ? [one] : []));
  const best = rated.slice(0, nodesMax).map(({ node: name, total, scores }) => ({
    node: name,
    total,
    scores: Object.fromEntries(scores.map(({ plugin, score, weight }) => [plugin, score * weight])),
  }));
  const refused = [...refusals].sort(([, a], [, b]) => b - a).slice(0, refusalsMax);
  return JSON.stringify({
    ...(node === undefined ? {} : { node }),
    ...(refusedWhole === undefined ? {} : { refused: refusedWhole }),
    nodes: nodes.length,
    feasible: rated.length,
    best,
    refusals: Object.fromEntries(refused),
  });
}
