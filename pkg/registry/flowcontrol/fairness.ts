/**
 * Priority and fairness: which flow schema a request matches, into which level and flow that puts it, and when it is worked on. Follows the objects of both
 * kinds as roles are followed, so that a request that comes after one was changed is judged by the change.
 *
 * Invariants: the two levels and schemas that are mandatory are there, whether or not there are objects of them; a level whose object is gone goes on until
 * its last request has ended; a schema whose level is not there counts as not there.
 * Upstream counterpart: apiserver `util/flowcontrol/apf_controller.go`, `apf_filter.go`, `server/filters/priority-and-fairness.go`.
 */
import type { FlowSchema, PriorityLevelConfiguration } from '#pkg/api/types/flowcontrol-v1.ts';
import { flowSchemas, priorityLevelConfigurations } from '#pkg/api/types/refs.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { Entering, FlowControl, FlowControlParts, Place, UnderWay } from '#pkg/apiserver/flow/flow-control.ts';
import { WatchCounts } from '#pkg/apiserver/flow/watch-counts.ts';
import { listEstimate, oneSeat, type WorkEstimate, writeEstimate } from '#pkg/apiserver/flow/work-estimate.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { RequestInfo } from '#pkg/apiserver/request-info.ts';
import type { ApiServer } from '#pkg/apiserver/server.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { bootstrapFlowSchemas, bootstrapPriorityLevels, mandatoryNames } from './bootstrap.ts';
import { FairPlace, type PlaceOwner } from './fair-place.ts';
import { FairnessMetrics } from './fairness-metrics.ts';
import { type FairFlow, UsedSchema } from './flows.ts';
import type { RequestMatcher } from './matching.ts';
import { levelSpecOf, PriorityLevel } from './priority-level.ts';
import { SeatLending } from './seat-lending.ts';

/** Rules by which a user's requests are sorted, in order, and what they made of the last one: components of this process ask the same again and again. */
interface UserRules {
  readonly rules: readonly { readonly schema: UsedSchema; readonly matches: RequestMatcher }[];
  last: { readonly info: RequestInfo; readonly flow: FairFlow } | undefined;
}

const readVerbs: ReadonlySet<string> = new Set(['get', 'list', 'watch']);
const writeVerbs: ReadonlySet<string> = new Set(['create', 'delete', 'patch', 'update']);

/** The flow control of one server. */
export class Fairness implements FlowControl<FairFlow>, PlaceOwner {
  readonly clock: Clock;
  #watches = new WatchCounts();
  #metrics = new FairnessMetrics(new Metrics());
  #lending: SeatLending;
  readonly #seats: number;
  readonly #levelObjects = new Map<string, PriorityLevelConfiguration>();
  readonly #schemaObjects = new Map<string, FlowSchema>();
  readonly #levels = new Map<string, PriorityLevel>();
  #schemas: readonly UsedSchema[] = [];
  #users = new WeakMap<UserInfo, UserRules>();
  #isChanged = true;
  #reads = 0;
  #writes = 0;
  readonly #listeners: (() => void)[] = [];

  /** `seats` is how many there are for all levels together. */
  constructor(clock: Clock, seats: number) {
    this.clock = clock;
    this.#seats = seats;
    this.#lending = new SeatLending(seats, this.#metrics, clock.monotonicMs());
  }

  serve({ metrics, watches }: FlowControlParts): void {
    this.#watches = watches;
    this.#metrics = new FairnessMetrics(metrics);
    this.#lending = new SeatLending(this.#seats, this.#metrics, this.clock.monotonicMs());
  }

  /** Resolves once it knows the objects that there are; until then there is what is mandatory. */
  async connect(source: Pick<ApiServer, 'follow'>): Promise<void> {
    await Promise.all([
      source.follow(priorityLevelConfigurations, this.#sinkOf(this.#levelObjects)),
      source.follow(flowSchemas, this.#sinkOf(this.#schemaObjects)),
    ]);
  }

  /** Has `listener` called after each change of an object, synchronously. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** The objects that there are, by name. */
  get levelObjects(): ReadonlyMap<string, PriorityLevelConfiguration> {
    return this.#levelObjects;
  }

  /** The objects that there are, by name. */
  get schemaObjects(): ReadonlyMap<string, FlowSchema> {
    return this.#schemaObjects;
  }

  /** The levels that there are now, by name. */
  get levels(): ReadonlyMap<string, PriorityLevel> {
    if (this.#isChanged) this.#digest();
    return this.#levels;
  }

  flowOf(user: UserInfo, info: RequestInfo): FairFlow {
    if (this.#isChanged) this.#digest();
    let own = this.#users.get(user);
    if (own === undefined) {
      const rules = this.#schemas.flatMap((schema) => {
        const matches = schema.matcherFor(user);
        return matches === undefined ? [] : [{ schema, matches }];
      });
      own = { rules, last: undefined };
      this.#users.set(user, own);
    }
    if (own.last?.info === info) return own.last.flow;
    const found = own.rules.find(({ matches }) => matches(info))?.schema ?? this.#fallback();
    const flow = found.flowOf(user, info);
    own.last = { info, flow };
    return flow;
  }

  enter(flow: FairFlow, entering: Entering): Place | undefined {
    const nowMs = this.clock.monotonicMs();
    this.#lending.catchUp(nowMs);
    const { level, schema } = flow;
    const place = new FairPlace(this, flow, { entering, estimate: this.#estimate(flow, entering) });
    const started = level.queues.start(place, nowMs);
    if (started === 'refused') {
      level.rejected++;
      const reason = typeof level.spec.waiting === 'string' ? 'concurrency-limit' : 'queue-full';
      schema.counts.rejected(reason).value++;
      schema.counts.waitedInVain.observe(0);
      return undefined;
    }
    if (started === 'executes') place.beginAtOnce();
    else place.wait(nowMs);
    return place;
  }

  retryAfterSeconds({ level }: FairFlow): number {
    return level.retryAfter.turnedAway(this.clock.nowMs());
  }

  underWay(): UnderWay {
    return { reads: this.#reads, writes: this.#writes };
  }

  count(info: RequestInfo, change: -1 | 1): void {
    if (readVerbs.has(info.verb)) this.#reads += change;
    else this.#writes += change;
  }

  left(level: PriorityLevel): void {
    if (level.isLeaving && level.queues.isIdle) this.#isChanged = true;
    if (level.queues.nextReleaseMs !== undefined) this.awaitRelease(level);
  }

  /** Seats of requests that have ended become free later: those who wait for them are woken then. */
  awaitRelease(level: PriorityLevel): void {
    const atMs = level.queues.nextReleaseMs;
    if (atMs === undefined || level.releasing !== undefined) return;
    const delayMs = Math.max(1, Math.ceil(atMs - this.clock.monotonicMs()));
    level.releasing = this.clock.setTimeout(() => {
      level.releasing = undefined;
      level.queues.advance(this.clock.monotonicMs());
      this.left(level);
    }, delayMs);
  }

  #estimate({ level, schema }: FairFlow, { asked: { info, served } }: Entering): WorkEstimate {
    const { counts } = schema;
    let estimate = oneSeat;
    if (info.verb === 'list' || info.verb === 'watch') estimate = listEstimate(info, served, level.widest);
    else if (writeVerbs.has(info.verb)) {
      // A token is given out and no object changes.
      const isToken = info.subresource === 'token' && info.resource === 'serviceaccounts';
      const watches = isToken ? 0 : this.#watches.interestedIn(info);
      counts.watchers.observe(watches);
      estimate = writeEstimate(watches, level.widest);
    }
    counts.estimates.observe(Math.max(estimate.seats, estimate.finalSeats));
    return estimate;
  }

  #fallback(): UsedSchema {
    const found = this.#schemas.find(({ name }) => name === 'catch-all');
    if (found === undefined) throw new Error('there is always the flow schema catch-all');
    return found;
  }

  #sinkOf<T extends FlowSchema | PriorityLevelConfiguration>(objects: Map<string, T>): FollowSink<T> {
    const changed = (): void => {
      this.#isChanged = true;
      for (const listener of this.#listeners) listener();
    };
    return {
      set: (object) => {
        objects.set(object.metadata?.name ?? '', object);
        changed();
      },
      remove: (object) => {
        objects.delete(object.metadata?.name ?? '');
        changed();
      },
    };
  }

  /** Takes the objects as they are now. */
  #digest(): void {
    this.#isChanged = false;
    const nowMs = this.clock.monotonicMs();
    this.#digestLevels(nowMs);
    const named = new Map<string, Given<FlowSchema>>(this.#schemaObjects);
    for (const schema of bootstrapFlowSchemas) {
      const name = schema.metadata?.name ?? '';
      if (mandatoryNames.has(name) && !named.has(name)) named.set(name, schema);
    }
    this.#schemas = [...named.values()]
      .flatMap((schema) => {
        const level = this.#levels.get(schema.spec?.priorityLevelConfiguration?.name ?? '');
        if (level === undefined || level.isLeaving) return [];
        return [new UsedSchema(schema, level, this.#metrics)];
      })
      .sort((a, b) => a.precedence - b.precedence || (a.name < b.name ? -1 : 1));
    this.#users = new WeakMap();
  }

  #digestLevels(nowMs: number): void {
    const objects = new Map<string, Given<PriorityLevelConfiguration>>(this.#levelObjects);
    for (const level of bootstrapPriorityLevels) {
      const name = level.metadata?.name ?? '';
      if (mandatoryNames.has(name) && !objects.has(name)) objects.set(name, level);
    }
    const wanted = new Set<string>();
    for (const object of objects.values()) {
      const spec = levelSpecOf(object);
      if (spec === undefined) continue;
      wanted.add(spec.name);
      const level = this.#levels.get(spec.name);
      if (level === undefined) this.#levels.set(spec.name, new PriorityLevel(spec, nowMs, tooWide));
      else {
        level.spec = spec;
        level.isLeaving = false;
      }
    }
    for (const [name, level] of this.#levels) {
      if (wanted.has(name)) continue;
      level.isLeaving = true;
      if (!level.queues.isIdle) continue;
      this.#levels.delete(name);
      this.#metrics.forgetLevel(name);
    }
    this.#lending.setLevels([...this.#levels.values()], nowMs);
  }
}

function tooWide(request: { readonly counts: object }): void {
  if (request instanceof FairPlace) request.flow.schema.counts.tooWide.value++;
}
