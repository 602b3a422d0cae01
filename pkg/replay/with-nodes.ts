/** More or fewer nodes than were recorded, as causes. Pure. */
import type { Cause, NodeFacts } from './causes.ts';
import { HistoryError } from './history.ts';

interface NodesOptions {
  /** How many come; fewer are left where it is negative. */
  readonly moreNodes?: number;
  /** When, in milliseconds since the start. */
  readonly fromMs?: number;
}

/** The causes with nodes that come at a time as copies of the first that joined, or without the last of those that have come by then. Throws `HistoryError` where there is none to be like. */
export function withNodes(causes: readonly Cause[], { moreNodes = 0, fromMs = 0 }: NodesOptions): readonly Cause[] {
  if (moreNodes === 0) return causes;
  // At the start they are there before all else; later what was recorded of that moment comes first.
  const at = fromMs === 0 ? 0 : causes.findLastIndex(({ ms }) => ms <= fromMs) + 1;
  const [before, after] = [causes.slice(0, at), causes.slice(at)];
  if (moreNodes > 0) return [...before, ...added(causes, { count: moreNodes, ms: fromMs }), ...after];
  // At the start none is there yet: of those that come the last ones do not.
  const left = namesIn(fromMs === 0 ? causes : before).slice(moreNodes);
  const leaving = fromMs === 0 ? [] : left.map((node): Cause => ({ ms: fromMs, act: 'leave', node }));
  return [...before, ...leaving, ...after.filter((cause) => !('node' in cause) || !left.includes(cause.node))];
}

/** Nodes that have come and not gone, in the order in which they came. */
function namesIn(causes: readonly Cause[]): readonly string[] {
  const names = new Set<string>();
  for (const cause of causes) {
    if (cause.act === 'join') names.add(cause.node);
    else if (cause.act === 'leave') names.delete(cause.node);
  }
  return [...names];
}

function added(
  causes: readonly Cause[],
  { count, ms }: { readonly count: number; readonly ms: number },
): readonly Cause[] {
  const first = causes.find((cause) => cause.act === 'join');
  if (first?.act !== 'join') throw new HistoryError('Cannot add nodes as none was recorded to be like');
  const { 'kubernetes.io/hostname': _, ...labels } = first.facts.labels;
  const facts: NodeFacts = { ...first.facts, labels };
  return Array.from(
    { length: count },
    (_item, index): Cause => ({ ms, act: 'join', node: `added-${index + 1}`, facts }),
  );
}
