/** Makes room for pods that fit nowhere: asks the post-filters of their profiles and extenders, and evicts who has to go. */
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { Attempt, Eviction } from './attempt.ts';
import { errorStatus } from './bind-pod.ts';
import type { Nominator } from './cache/nominator.ts';
import { evict } from './eviction.ts';
import { agreedRoom } from './extender/extended-decision.ts';
import type { PostFilterContext, PostFilterResult } from './framework/plugin.ts';
import type { Refusals } from './framework/refusals.ts';
import { unschedulable } from './framework/status.ts';

/** What room is made with. */
export interface RoomMakerOptions {
  readonly deps: ComponentDeps;
  readonly nominator: Nominator;
  readonly signal: AbortSignal;
}

/** Makes room in one run of the scheduler. */
export class RoomMaker {
  readonly #options: RoomMakerOptions;

  constructor(options: RoomMakerOptions) {
    this.#options = options;
  }

  /** The answer of the first post-filter that makes some, else why none does; `refusals` has why each node was refused. */
  ask(attempt: Attempt, refusals: Refusals): PostFilterResult {
    const { clock, log } = this.#options.deps;
    const startMs = clock.monotonicMs();
    let result: PostFilterResult;
    try {
      result = this.#askAll(attempt, refusals);
    } catch (error) {
      log.error('A plugin failed', { pod: attempt.cycle.pod.key, error });
      result = { status: errorStatus(error) };
    }
    attempt.by.metrics.point('PostFilter', result.status.code, startMs);
    return result;
  }

  #askAll({ cycle, by }: Attempt, refusals: Refusals): PostFilterResult {
    const { nominator } = this.#options;
    const context: PostFilterContext = {
      cycle,
      refusals,
      fits: (node) => by.decider.check(cycle, node),
      signature: by.decider.signatureOf(cycle),
      promisedOn: ({ name }) => nominator.ahead(cycle.pod, name),
      changedSince: (position) => by.decider.changedSince(position),
      nominatedNodeName: nominator.nodeOf(cycle.pod.uid),
    };
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

  /** What is left of it once the extenders of an attempt have had their say; never rejects. */
  agreed({ cycle, extenders }: Attempt, room: PostFilterResult): Promise<PostFilterResult> {
    const { deps, signal } = this.#options;
    const asked = agreedRoom(cycle, room, { extenders, log: deps.log, signal });
    return asked.catch((error) => ({ status: errorStatus(error) }));
  }

  /** Evicts, and takes back what was promised on the node to less important pods. Resolves to whether all could be; never rejects. */
  async evict({ entry: { pod }, by }: Attempt, { victims, nodeName }: Eviction): Promise<boolean> {
    const { deps, nominator, signal } = this.#options;
    const { client, clock, log } = deps;
    const displaced = nominator.behind(pod, nodeName);
    for (const { uid } of displaced) nominator.delete(uid);
    const { recorder, schedulerName } = by;
    const options = { client, clock, recorder, preemptor: pod, nodeName, schedulerName, signal };
    try {
      await evict({ victims, displaced }, options);
      return true;
    } catch (error) {
      if (!signal.aborted)
        log.warn('Cannot evict for a pod of higher priority', { pod: pod.key, node: nodeName, error });
      return false;
    }
  }
}
