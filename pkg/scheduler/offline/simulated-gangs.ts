/** Gangs in a cluster that is only reckoned with: tried as a whole, as the scheduler tries them (`gang/place-gang.ts`), without preemption. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { podGroups, pods } from '#pkg/api/types/refs.ts';
import type { PodGroup } from '#pkg/api/types/scheduling-v1alpha2.ts';
import { splitKey } from '#pkg/apimachinery/object.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { GangExplanation } from '../framework/explain.ts';
import { gangMessage, gangOrder, incompleteMessage, missingMessage, placeGang } from '../gang/place-gang.ts';
import { groupKeyOf, hasPlace, minCountOf } from '../gang/pod-group.ts';
import { type PodInfo, podInfoOf } from '../model/pod-info.ts';
import type { ObjectSet } from './object-set.ts';

/** Where a pod goes, or why nowhere. */
export type Placement =
  | { readonly pod: string; readonly node: string }
  | { readonly pod: string; readonly message: string };

/** How pods are placed one by one. */
interface SinglePlacer {
  place(pod: PodInfo): Placement;
  takeBack(pod: PodInfo, nodeName: string): void;
}

interface GangTry {
  /** Of each member; of a gang that has not enough room all are refused. */
  readonly placements: ReadonlyMap<string, Placement>;
  readonly needed: number;
  readonly found: number;
  /** Why the gang waits; absent where it has room. */
  readonly message?: string;
}

/** The gangs of a simulation. */
export class SimulatedGangs {
  readonly #groups: Lister<PodGroup>;
  readonly #pods: Lister<Pod>;

  constructor(objects: ObjectSet) {
    this.#groups = objects.lister(podGroups);
    this.#pods = objects.lister(pods);
  }

  /** The answers in the order of `waiting`. */
  placeAll(waiting: readonly PodInfo[], placer: SinglePlacer): readonly Placement[] {
    const byGroup = Map.groupBy(waiting, ({ pod }) => groupKeyOf(pod));
    const known = new Map<string, Placement>();
    return waiting.map((pod) => {
      const before = known.get(pod.uid);
      if (before !== undefined) return before;
      const group = this.#gangOf(pod);
      if (group === undefined) return placer.place(pod);
      const { placements } = this.#try(group, byGroup.get(group) ?? [pod], placer);
      for (const [uid, placement] of placements) known.set(uid, placement);
      return known.get(pod.uid) ?? placer.place(pod);
    });
  }

  /** What becomes of the gang of a pod as things are; undefined for a pod that is of none, or has its place. */
  explain(pod: PodInfo, placer: SinglePlacer): GangExplanation | undefined {
    const group = this.#gangOf(pod);
    if (group === undefined || hasPlace(pod.pod)) return undefined;
    const waiting = this.#pods.list(pod.namespace).filter((one) => groupKeyOf(one) === group && !one.spec?.nodeName);
    const members = waiting.filter(({ metadata }) => metadata?.deletionTimestamp === undefined).map(podInfoOf);
    const { placements, needed, found, message } = this.#try(group, members, placer);
    for (const member of members) {
      const placement = placements.get(member.uid);
      if (placement !== undefined && 'node' in placement) placer.takeBack(member, placement.node);
    }
    return { group, waiting: members.length, needed, found, ...(message === undefined ? {} : { message }) };
  }

  #gangOf({ pod }: PodInfo): string | undefined {
    const key = groupKeyOf(pod);
    const group = key === undefined ? undefined : this.#groups.get(key);
    return group !== undefined && minCountOf(group) === undefined ? undefined : key;
  }

  #try(key: string, members: readonly PodInfo[], placer: SinglePlacer): GangTry {
    const group = this.#groups.get(key);
    const refuseAll = (needed: number, found: number, message: string): GangTry => ({
      placements: new Map(members.map((pod) => [pod.uid, { pod: pod.key, message }])),
      needed,
      found,
      message,
    });
    const minCount = group === undefined ? undefined : minCountOf(group);
    if (minCount === undefined) return refuseAll(0, 0, missingMessage(key));
    const having = this.#pods
      .list(splitKey(key).namespace)
      .filter((pod) => groupKeyOf(pod) === key && hasPlace(pod)).length;
    const needed = Math.max(0, minCount - having);
    if (members.length < needed) return refuseAll(needed, 0, incompleteMessage(key, minCount));
    const placements = new Map<string, Placement>();
    const { isPlaced, placed } = placeGang(
      gangOrder(members, (pod) => pod),
      {
        place: (pod) => {
          const placement = placer.place(pod);
          placements.set(pod.uid, placement);
          return 'node' in placement;
        },
        takeBack: (pod) => {
          const placement = placements.get(pod.uid);
          if (placement !== undefined && 'node' in placement) placer.takeBack(pod, placement.node);
        },
      },
      { needed },
    );
    if (isPlaced) return { placements, needed, found: placed.length };
    const refusal = [...placements.values()].find((placement) => 'message' in placement);
    const why = refusal !== undefined && 'message' in refusal ? refusal.message : '';
    return refuseAll(needed, placed.length, gangMessage(key, { found: placed.length, needed, why }));
  }
}
