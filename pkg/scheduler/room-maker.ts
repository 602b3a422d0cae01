/** Asks the post-filters of a pod's profile for room. */
import type { Attempt } from './attempt.ts';
import type { Nominator } from './cache/nominator.ts';
import type { NodeRefusal, PostFilterResult } from './framework/plugin.ts';
import { type Status, unschedulable } from './framework/status.ts';
import type { NodeInfo } from './model/node-info.ts';

/** What was found out before. */
export interface RoomOptions {
  /** Why each node was refused. */
  readonly refusals: readonly NodeRefusal[];
  readonly nominator: Nominator;
}

/** The answer of the first that makes some, else why none does. */
export function askForRoom({ cycle, by }: Attempt, { refusals, nominator }: RoomOptions): PostFilterResult {
  const fits = (node: NodeInfo): Status => by.decider.check(cycle, node);
  const context = { cycle, refusals, fits, nominatedNodeName: nominator.nodeOf(cycle.pod.uid) };
  const reasons: string[] = [];
  let nominatedNodeName: string | undefined;
  for (const plugin of by.profile.postFilter) {
    const result = plugin.postFilter(context);
    if (result.status.code === 'Success') return result;
    reasons.push(...result.status.reasons);
    nominatedNodeName = result.nominatedNodeName ?? nominatedNodeName;
    if (result.status.code === 'UnschedulableAndUnresolvable') break;
  }
  return { status: unschedulable(...reasons), ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }) };
}
