/** What the filters of a profile have to check of one pod, and which of their answers may be kept for others. */
import type { Room } from '../model/room.ts';
import type { Cycle } from './cycle.ts';
import type { Signatures } from './kept-answers.ts';
import type { FilterPlugin, Memo, NodeCheck, SlotCheck } from './plugin.ts';
import type { Profile } from './profile.ts';

/** A filter that has something to check. */
export interface Check {
  readonly plugin: FilterPlugin;
  readonly check: NodeCheck;
}

/** One whose answers are kept, for pods of the same signature. */
export interface KeptCheck extends Check {
  readonly memo: Memo;
  readonly signature: string;
}

/** The checks of a pod in the order of the profile: first those whose answers are kept. */
export interface Checks {
  readonly kept: readonly KeptCheck[];
  readonly fresh: readonly Check[];
  /** Equal for pods to which the kept ones say the same. */
  readonly signature: string;
}

/** The checks of the pod of `cycle`. */
export function checksOf({ filter }: Pick<Profile, 'filter'>, cycle: Cycle, signs: Signatures): Checks {
  const kept: KeptCheck[] = [];
  const fresh: Check[] = [];
  let signature = '';
  for (const plugin of filter) {
    const check = plugin.filter(cycle);
    if (check === undefined) continue;
    const memo = plugin.filterMemo;
    // The first refusal counts, so what comes after a plugin without memory cannot be put before it.
    if (memo === undefined || fresh.length > 0) fresh.push({ plugin, check });
    else {
      const own = signs.of(memo);
      kept.push({ plugin, check, memo, signature: own });
      signature += `${plugin.name} ${own}\n`;
    }
  }
  return { kept, fresh, signature };
}

/** The same checks by slot; undefined where one of them looks at more than what the nodes have. */
export function slotChecksOf(checks: readonly Check[], cycle: Cycle, room: Room): readonly SlotCheck[] | undefined {
  const bySlot: SlotCheck[] = [];
  for (const { plugin } of checks) {
    const check = plugin.filterByRoom?.(cycle, room);
    if (check === undefined) return undefined;
    bySlot.push(check);
  }
  return bySlot;
}
