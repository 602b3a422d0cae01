/** One try of a gang against the scheduler's belief: as it is, or with less important pods out of the way. Nothing of it is waited for. */
import type { Attempt, Eviction } from '../attempt.ts';
import { attributed, reserve } from '../bind-pod.ts';
import { CycleState } from '../framework/cycle.ts';
import type { Decision } from '../framework/decide.ts';
import { refusalsOf } from '../framework/refusals.ts';
import { isRejected } from '../framework/status.ts';
import type { PodInfo } from '../model/pod-info.ts';
import type { GangHost } from './gang-host.ts';
import { placeGang } from './place-gang.ts';
import { groupKeyOf } from './pod-group.ts';

type TrialHost = Pick<GangHost, 'askForRoom' | 'cache' | 'decide' | 'nominator'>;

interface Wanted {
  /** In the order in which they are tried. */
  readonly attempts: readonly Attempt[];
  /** How many of them need a place at least. */
  readonly needed: number;
}

/** A try with the cluster as it is. Afterwards the members count on their nodes, with what plugins reserve for them, or none does. */
export class GangTrial implements Wanted {
  readonly attempts: readonly Attempt[];
  readonly needed: number;
  readonly isPlaced: boolean;
  /** How many found a place, whether they keep it or not. */
  readonly found: number;
  /** Where members are; empty when too few found a place. */
  readonly places = new Map<Attempt, string>();
  /** What was said of members that found none. */
  readonly refused = new Map<Attempt, Decision>();

  constructor(host: TrialHost, { attempts, needed }: Wanted) {
    this.attempts = attempts;
    this.needed = needed;
    const placer = {
      place: (attempt: Attempt) => this.#place(host, attempt),
      takeBack: (attempt: Attempt) => this.#takeBack(host, attempt),
    };
    const { isPlaced, placed } = placeGang(attempts, placer, { needed });
    this.isPlaced = isPlaced;
    this.found = placed.length;
  }

  readonly #promised = new Map<Attempt, string>();

  #place(host: TrialHost, attempt: Attempt): boolean {
    const decision = host.decide(attempt);
    if (decision.kind !== 'node') {
      const isRefused = decision.kind === 'unschedulable';
      this.refused.set(attempt, isRefused ? { ...decision, refusals: refusalsOf([...decision.refusals]) } : decision);
      return false;
    }
    const { cycle, by } = attempt;
    const { nodeName } = decision;
    const promised = host.nominator.nodeOf(cycle.pod.uid);
    if (promised !== undefined) this.#promised.set(attempt, promised);
    host.cache.assume(cycle.pod, nodeName);
    host.nominator.delete(cycle.pod.uid);
    this.places.set(attempt, nodeName);
    for (const plugin of by.profile.reserve) {
      const status = reserve(plugin, cycle, nodeName);
      if (status.code === 'Success') continue;
      this.#takeBack(host, attempt);
      const { reasons } = attributed(status, { plugin, point: 'Reserve' });
      const message = reasons.join(', ');
      const diagnosis = { nodeCount: 1, reasonCounts: new Map([[message, 1]]) };
      const rejectors = new Set([plugin.name]);
      this.refused.set(
        attempt,
        isRejected(status)
          ? { kind: 'unschedulable', diagnosis, rejectors, refusals: refusalsOf([]) }
          : { kind: 'error', message },
      );
      return false;
    }
    return true;
  }

  #takeBack(host: TrialHost, attempt: Attempt): void {
    const { cycle, by } = attempt;
    const nodeName = this.places.get(attempt) ?? '';
    for (const plugin of by.profile.reserve.toReversed()) plugin.unreserve(cycle, nodeName);
    host.cache.forget(cycle.pod.uid);
    const promised = this.#promised.get(attempt);
    if (promised !== undefined) host.nominator.set(cycle.pod, promised);
    this.places.delete(attempt);
  }
}

/** Whether a gang will have room: by evictions; or as pods that were evicted for it are going; or not. */
export type RoomForGang =
  | {
      readonly kind: 'found';
      /** Where members will be. */
      readonly places: ReadonlyMap<Attempt, string>;
      readonly evictions: ReadonlyMap<Attempt, Eviction>;
    }
  | { readonly kind: 'coming' | 'none' };

/** Looks for room for as many members as are needed, and leaves everything as it was. */
export function findRoom(host: TrialHost, { key, attempts, needed }: Wanted & { readonly key: string }): RoomForGang {
  const { cache, nominator } = host;
  const places = new Map<Attempt, string>();
  const evictions = new Map<Attempt, Eviction>();
  const putBack: (() => void)[] = [];
  let isComing = false;
  const isOwn = ({ pod }: PodInfo): boolean => groupKeyOf(pod) === key;
  const assume = (attempt: Attempt, nodeName: string): true => {
    cache.assume(attempt.cycle.pod, nodeName);
    places.set(attempt, nodeName);
    return true;
  };
  const place = (attempt: Attempt): boolean => {
    // What plugins noted of the cluster as it was is not true of this one.
    const anew: Attempt = { ...attempt, cycle: { ...attempt.cycle, state: new CycleState() } };
    const decision = host.decide(anew);
    if (decision.kind === 'node') return assume(attempt, decision.nodeName);
    if (decision.kind === 'error' || decision.diagnosis.nodeCount === 0) return false;
    const { nominatedNodeName, victims = [] } = host.askForRoom(anew, decision.refusals);
    if (nominatedNodeName === undefined && nominator.nodeOf(attempt.cycle.pod.uid) !== undefined) isComing = true;
    if (!nominatedNodeName || victims.length === 0 || victims.some(isOwn)) return false;
    for (const { uid } of victims) putBack.push(cache.lift(uid));
    evictions.set(attempt, { victims, nodeName: nominatedNodeName });
    return assume(attempt, nominatedNodeName);
  };
  const takeBack = ({ cycle }: Attempt): void => void cache.forget(cycle.pod.uid);
  const { isPlaced, placed } = placeGang(attempts, { place, takeBack }, { needed, isLeast: true });
  if (isPlaced) for (const attempt of placed) takeBack(attempt);
  for (const back of putBack.toReversed()) back();
  if (isPlaced) return { kind: 'found', places, evictions };
  return { kind: isComing ? 'coming' : 'none' };
}
