/** The sentence that says why a pod fits nowhere, as `kubectl describe pod` shows it. Source: scheduler `framework.FitError`. */

/** Why no node was found. */
export interface Diagnosis {
  readonly nodeCount: number;
  /** The refusal of the pod as a whole; nodes were not looked at then. */
  readonly preFilterMessage?: string;
  /** How many nodes gave each reason. A node may give several. */
  readonly reasonCounts: ReadonlyMap<string, number>;
  /** What the attempt to make room said. */
  readonly postFilterMessage?: string;
}

/** Said when there is no node at all. */
const noNodesMessage = 'no nodes available to schedule pods';

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` and what post-filters add. */
export function fitErrorMessage(diagnosis: Diagnosis): string {
  const { nodeCount, preFilterMessage, reasonCounts, postFilterMessage } = diagnosis;
  if (nodeCount === 0 && preFilterMessage === undefined) return noNodesMessage;
  let message = `0/${nodeCount} nodes are available:`;
  if (preFilterMessage !== undefined) message += ` ${preFilterMessage}.`;
  else if (reasonCounts.size > 0) message += ` ${histogram(reasonCounts)}.`;
  if (postFilterMessage) message += ` ${postFilterMessage}`;
  return message;
}

/** `1 reason, 2 other reason`, sorted as text, as upstream sorts it. */
function histogram(counts: ReadonlyMap<string, number>): string {
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`);
  return parts.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).join(', ');
}
