/**
 * Gangs in a run of the scheduler. When the turn of one pod of a gang comes, all of its pods that wait are taken from the queue and tried as one, without waiting
 * for anything: either as many as the gang needs have a place at once and are bound, or none keeps one. What was refused as a whole waits as any refused pod does.
 *
 * Laws: no pod of a gang is bound while fewer than `minCount` pods of it have, or had, a place. No gang holds room while it waits. Nobody is evicted for a gang unless all
 * that it needs fit then. What is left of a gang that has its count is scheduled pod by pod. A binding that fails is tried again for its pod alone, as the others have
 * their places. Pods in which an extender has a say are refused, as it would have to be waited for.
 * Upstream counterpart: kube-scheduler `schedule_one_podgroup.go`, KEP-4671.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { podGroups, pods } from '#pkg/api/types/refs.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { Attempt } from '../attempt.ts';
import type { Decision } from '../framework/decide.ts';
import { fitErrorMessage } from '../framework/fit-error.ts';
import type { PodInfo } from '../model/pod-info.ts';
import type { QueuedPod } from '../queue/scheduling-queue.ts';
import { Agreement } from './agreement.ts';
import type { GangHost } from './gang-host.ts';
import { findRoom, GangTrial, type RoomForGang } from './gang-trial.ts';
import { GroupStatus } from './group-status.ts';
import { gangMessage, gangOrder, incompleteMessage, missingMessage } from './place-gang.ts';
import { gangScheduling, groupKeyOf, hasPlace, minCountOf } from './pod-group.ts';

/** The index of pods by the group that they are of. */
const byGroup = 'schedulingGroup';

/** The group of a pod that is one of a gang, or whose group is not known. */
export interface GangRef {
  readonly key: string;
  /** Absent: there is no such group. */
  readonly minCount?: number;
}

interface Refusal {
  readonly message: string;
  readonly rejectors: ReadonlySet<string>;
  /** Absent: what was promised stays so. */
  readonly nominatedNodeName?: string;
}

/** The gangs of one run. */
export class GangRun {
  readonly #host: GangHost;
  readonly #status: GroupStatus;
  readonly #pods: Lister<Pod>;

  constructor(host: GangHost) {
    const { informers } = host.deps;
    this.#host = host;
    this.#status = new GroupStatus(host.deps, host.signal);
    const informer = informers.informer(pods);
    informer.addIndex(byGroup, (pod) => [groupKeyOf(pod) ?? []].flat());
    this.#pods = informer.lister;
  }

  /** Follows the groups from now on. */
  listen(): void {
    const { deps, queue } = this.#host;
    const resource = 'PodGroup';
    deps.informers.informer(podGroups).addHandler({
      added: (object) => queue.wake([{ resource, action: 'Add', object }]),
      updated: (previous, object) => queue.wake([{ resource, action: 'Update', previous, object }]),
      deleted: (previous) => queue.wake([{ resource, action: 'Delete', previous }]),
    });
  }

  /** The gang of a pod; undefined for one that is scheduled by itself. */
  gangOf({ pod }: PodInfo): GangRef | undefined {
    const key = groupKeyOf(pod);
    if (key === undefined) return undefined;
    const group = this.#host.deps.informers.informer(podGroups).lister.get(key);
    if (group === undefined) return { key };
    const minCount = minCountOf(group);
    return minCount === undefined ? undefined : { key, minCount };
  }

  /** Tries a gang, as the turn of one of its pods has come. Resolves before its bindings end. */
  async schedule(entry: QueuedPod, { key, minCount }: GangRef): Promise<void> {
    const { cache, queue } = this.#host;
    const own = this.#host.attemptOf(entry);
    const refuseOne = (message: string): Promise<void> =>
      this.#refuse([own], { message, rejectors: new Set([gangScheduling]), nominatedNodeName: '' });
    if (minCount === undefined) return refuseOne(missingMessage(key));
    const members = this.#pods.byIndex(byGroup, key);
    const isPlaced = (pod: Pod): boolean => hasPlace(pod) || cache.isAssumed(pod.metadata?.uid ?? '');
    const needed = Math.max(0, minCount - members.filter(isPlaced).length);
    const others = members.filter(
      (pod) => queue.canTake(pod.metadata?.uid ?? '') && pod.metadata?.deletionTimestamp === undefined,
    );
    if (others.length + 1 < needed) return refuseOne(incompleteMessage(key, minCount));
    const taken = others.flatMap((pod) => queue.take(pod.metadata?.uid ?? '') ?? []);
    const attempts = gangOrder([own, ...taken.map((other) => this.#host.attemptOf(other))], ({ cycle }) => cycle.pod);
    const extended = attempts.find(({ extenders }) => extenders.length > 0);
    if (extended !== undefined) {
      const message = `pod group "${key}" is a gang, which no extender can have a say in: one is for ${extended.cycle.pod.key}`;
      return this.#refuse(attempts, { message, rejectors: new Set([gangScheduling]), nominatedNodeName: '' });
    }
    return this.#try(key, { attempts, needed });
  }

  async #try(key: string, { attempts, needed }: { attempts: readonly Attempt[]; needed: number }): Promise<void> {
    const host = this.#host;
    const trial = new GangTrial(host, { attempts, needed });
    if (!trial.isPlaced) return this.#failed(key, trial);
    if (needed > 0) host.bindings.track(this.#status.scheduled(key));
    const agreement = new Agreement({ members: trial.places.size, needed });
    for (const [attempt, nodeName] of trial.places) host.bindings.track(host.bind(attempt, nodeName, agreement));
    for (const [attempt, decision] of trial.refused) await host.follow(attempt, decision);
  }

  async #failed(key: string, { attempts, needed, refused, found }: GangTrial): Promise<void> {
    const host = this.#host;
    const room = findRoom(host, { key, attempts, needed });
    const why = [...refused.values()].map(whyOf).find((text) => text !== '') ?? '';
    const rejectors = new Set([gangScheduling]);
    for (const decision of refused.values())
      if (decision.kind === 'unschedulable') for (const plugin of decision.rejectors) rejectors.add(plugin);
    const message = gangMessage(key, { found, needed, why });
    const [{ by } = {}] = attempts;
    if (by !== undefined) host.bindings.track(this.#status.unschedulable(key, { message, recorder: by.recorder }));
    if (room.kind === 'found') return this.#makeRoom(room, { attempts, message, rejectors });
    if (room.kind === 'coming') return this.#refuse(attempts, { message, rejectors });
    for (const { cycle } of attempts) host.nominator.delete(cycle.pod.uid);
    return this.#refuse(attempts, { message, rejectors, nominatedNodeName: '' });
  }

  /** Promises the members their nodes, and evicts who is in the way. They stay in flight until all of these were told to go. */
  async #makeRoom(
    { places, evictions }: Extract<RoomForGang, { kind: 'found' }>,
    refusal: Refusal & { readonly attempts: readonly Attempt[] },
  ): Promise<void> {
    const { nominator, queue, signal, bindings, evict, report } = this.#host;
    const { attempts, message, rejectors } = refusal;
    for (const attempt of attempts) {
      const nodeName = places.get(attempt) ?? '';
      if (nodeName === '') nominator.delete(attempt.cycle.pod.uid);
      else nominator.set(attempt.cycle.pod, nodeName);
      attempt.by.metrics.attempted('unschedulable', attempt.startMs);
    }
    for (const [{ by }, { victims }] of evictions) by.metrics.preempted(victims.length);
    const evictAll = async (): Promise<void> => {
      const told = await Promise.all([...evictions].map(([attempt, eviction]) => evict(attempt, eviction)));
      if (signal.aborted) return;
      const isWhole = told.every((isTold) => isTold);
      for (const { entry } of attempts) {
        if (isWhole) queue.refused(entry, rejectors);
        else {
          nominator.delete(entry.pod.uid);
          queue.failed(entry);
        }
      }
    };
    bindings.track(evictAll());
    for (const attempt of attempts)
      await report(attempt, { reason: 'Unschedulable', message, nominatedNodeName: places.get(attempt) ?? '' });
  }

  async #refuse(attempts: readonly Attempt[], { message, rejectors, nominatedNodeName }: Refusal): Promise<void> {
    const { queue, report } = this.#host;
    for (const { entry, by, startMs } of attempts) {
      by.metrics.attempted('unschedulable', startMs);
      queue.refused(entry, rejectors);
    }
    for (const attempt of attempts) await report(attempt, { reason: 'Unschedulable', message, nominatedNodeName });
  }
}

function whyOf(decision: Decision): string {
  switch (decision.kind) {
    case 'node':
      return '';
    case 'unschedulable':
      return fitErrorMessage(decision.diagnosis);
    case 'error':
      return decision.message;
  }
}
