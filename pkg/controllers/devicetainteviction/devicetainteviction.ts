/**
 * Deletes pods that use devices with NoExecute taints that their claims do not tolerate, or no longer, and says in the status of DeviceTaintRules how far that is.
 *
 * Laws:
 * 1. When a pod goes follows from the times that its taints and tolerations say, so a controller that starts anew goes on where another was.
 * 2. A pod that may stay again before its time is left alone, and told so.
 * 3. A rule's status is said at once when the rule is new or has changed, and then at most every ten seconds, and only where it says something else.
 *
 * Rules are followed with the feature gate `DRADeviceTaintRules` alone, as nobody serves them by default. Upstream counterpart: `pkg/controller/devicetainteviction`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import { type DeviceName, taintsDevice } from '#pkg/api/scheduling/device-taints.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import { deviceTaintRules, pods, resourceClaims, resourceSlices } from '#pkg/api/types/refs.ts';
import type { ResourceClaim, ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult, WorkQueue } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { evictTainted } from '../common/evict-tainted.ts';
import { timeMs } from '../common/pod.ts';
import { type Eviction, evictionOf, newestDevices } from './eviction-time.ts';
import { evictionInProgress, ruleCondition } from './rule-condition.ts';

/** Source: `DeviceTaintEvictionControllerConfiguration` `ConcurrentSyncs`. */
const workers = 8;
const podPrefix = 'pod:';
const rulePrefix = 'rule:';
/** Source: `ruleStatusPeriod`. */
const statusPeriodMs = 10_000;
/** A pod that has long is looked at in between, for clocks that are set meanwhile. */
const lookAgainMs = 3_600_000;
const userIndex = 'user';
const poolIndex = 'pool';
const why = {
  reason: 'DeletionByDeviceTaintManager',
  message: 'Device Taint manager: deleting due to NoExecute taint',
};

/** The controller. */
export function createDeviceTaintEvictionController(context: ControllerContext): Component {
  return new DeviceTaintEviction(context).component;
}

class DeviceTaintEviction {
  readonly component: Component;
  readonly #context: ControllerContext;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<ResourceClaim>;
  readonly #slices: Informer<ResourceSlice>;
  readonly #rules: Informer<DeviceTaintRule> | undefined;
  readonly #events: EventRecorder;
  readonly #queue: WorkQueue;
  /** Uids of pods that are to go. */
  readonly #doomed = new Set<string>();
  /** How many pods went for a rule, by its uid. */
  readonly #evicted = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.#context = context;
    const { informers } = context;
    this.#pods = informers.informer(pods);
    this.#claims = informers.informer(resourceClaims);
    this.#slices = informers.informer(resourceSlices);
    this.#rules = context.features.isOn('DRADeviceTaintRules') ? informers.informer(deviceTaintRules) : undefined;
    this.#events = context.recorder('device-taint-eviction-controller');
    this.#claims.addIndex(userIndex, ({ status }) => (status?.reservedFor ?? []).map(({ uid }) => uid));
    this.#claims.addIndex(poolIndex, (claim) => [...new Set(devicesOf(claim).map(poolKey))]);
    this.#slices.addIndex(poolIndex, ({ spec }) => [poolKey({ driver: spec.driver, pool: spec.pool.name })]);
    const loop = createLoop(context, {
      name: 'device-taint-eviction',
      workers,
      reconcile: (key) =>
        key.startsWith(podPrefix)
          ? this.#reconcilePod(key.slice(podPrefix.length))
          : this.#reconcileRule(key.slice(rulePrefix.length)),
    });
    this.#queue = loop.queue;
    this.#listen();
    this.component = loop;
  }

  #listen(): void {
    this.#pods.addHandler({
      added: (pod) => this.#enqueue(pod),
      updated: (previous, pod) => {
        if (previous.spec?.nodeName !== pod.spec?.nodeName) this.#enqueue(pod);
      },
      deleted: (pod) => this.#doomed.delete(pod.metadata?.uid ?? ''),
    });
    this.#claims.addHandler({
      added: (claim) => this.#enqueueUsers(claim),
      updated: (previous, claim) => {
        this.#enqueueUsers(previous);
        this.#enqueueUsers(claim);
      },
      deleted: (claim) => this.#enqueueUsers(claim),
    });
    const sliceChanged = ({ spec }: ResourceSlice): void => {
      const key = poolKey({ driver: spec.driver, pool: spec.pool.name });
      for (const claim of this.#claims.lister.byIndex(poolIndex, key)) this.#enqueueUsers(claim);
    };
    this.#slices.addHandler({
      added: sliceChanged,
      updated: (_, slice) => sliceChanged(slice),
      deleted: sliceChanged,
    });
    this.#rules?.addHandler({
      added: (rule) => this.#ruleChanged(rule),
      // A change of its status is this controller's own.
      updated: (previous, rule) => {
        if (previous.metadata?.generation !== rule.metadata?.generation || !isSameOne(previous, rule))
          this.#ruleChanged(rule);
      },
      deleted: (rule) => {
        this.#evicted.delete(rule.metadata?.uid ?? '');
        this.#ruleChanged(rule);
      },
    });
  }

  #enqueue({ metadata, spec }: Pod): void {
    if ((spec?.resourceClaims ?? []).length > 0)
      this.#queue.add(`${podPrefix}${metadata?.namespace}/${metadata?.name}`);
  }

  #enqueueUsers({ metadata, status }: ResourceClaim): void {
    for (const { apiGroup, resource, name } of status?.reservedFor ?? [])
      if (!apiGroup && resource === 'pods') this.#queue.add(`${podPrefix}${metadata?.namespace}/${name}`);
  }

  #ruleChanged(rule: DeviceTaintRule): void {
    this.#queue.add(rulePrefix + objectKey(rule));
    for (const claim of this.#claims.lister.list()) if (devicesOf(claim).length > 0) this.#enqueueUsers(claim);
  }

  #evictionOf(pod: Pod, rules: readonly DeviceTaintRule[]): Eviction | undefined {
    const { deletionTimestamp, namespace, uid = '' } = pod.metadata ?? {};
    if (!pod.spec?.nodeName || deletionTimestamp !== undefined || isPodTerminal(pod)) return undefined;
    const claims = this.#claims.lister.byIndex(userIndex, uid).filter((one) => one.metadata?.namespace === namespace);
    return evictionOf(claims, { rules, slicesOf: (pool) => this.#slices.lister.byIndex(poolIndex, poolKey(pool)) });
  }

  async #reconcilePod(key: string): Promise<ReconcileResult> {
    const pod = this.#pods.lister.get(key);
    if (pod === undefined) return undefined;
    const uid = pod.metadata?.uid ?? '';
    const eviction = this.#evictionOf(pod, this.#rules?.lister.list() ?? []);
    if (eviction === undefined) {
      const isLeaving = pod.metadata?.deletionTimestamp !== undefined || isPodTerminal(pod);
      if (this.#doomed.delete(uid) && !isLeaving) this.#tell(pod, 'Cancelling deletion');
      return undefined;
    }
    for (const rule of this.#rules?.lister.list() ?? [])
      if (eviction.rules.has(rule.metadata?.uid ?? ''))
        this.#queue.addAfter(rulePrefix + objectKey(rule), statusPeriodMs);
    const leftMs = eviction.atMs - this.#context.clock.nowMs();
    if (leftMs > 0) {
      this.#doomed.add(uid);
      return { requeueAfterMs: Math.min(leftMs, lookAgainMs) };
    }
    this.#tell(pod, 'Marking for deletion');
    const isDone = await evictTainted(this.#context, pod, why);
    this.#doomed.delete(uid);
    if (isDone) for (const rule of eviction.rules) this.#evicted.set(rule, (this.#evicted.get(rule) ?? 0) + 1);
    return undefined;
  }

  #tell(pod: Pod, message: string): void {
    this.#events.record(pod, { type: 'Normal', reason: 'DeviceTaintManagerEviction', message });
  }

  async #reconcileRule(name: string): Promise<ReconcileResult> {
    const { client, clock } = this.#context;
    const rule = this.#rules?.lister.get(name);
    if (rule === undefined) return undefined;
    const said = rule.status?.conditions?.find(({ type }) => type === evictionInProgress);
    const sinceMs = said === undefined ? statusPeriodMs : clock.nowMs() - timeMs(said.lastTransitionTime);
    // A time that is to come was said by another clock.
    const leftMs = sinceMs < 0 ? 0 : statusPeriodMs - sinceMs;
    if (said?.observedGeneration === rule.metadata?.generation && leftMs > 0) return { requeueAfterMs: leftMs };
    const condition = this.#conditionOf(rule);
    const again = condition.status === 'True' ? { requeueAfterMs: statusPeriodMs } : undefined;
    if (said !== undefined && isSameCondition(said, condition)) return again;
    const conditions = [{ ...condition, lastTransitionTime: timestamp(clock) }];
    const patch = { metadata: { uid: rule.metadata?.uid }, status: { conditions } };
    try {
      await client.resource(deviceTaintRules).patch(name, patch, { type: 'strategic', subresource: 'status' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return again;
  }

  #conditionOf(rule: DeviceTaintRule) {
    const uid = rule.metadata?.uid ?? '';
    const { effect } = rule.spec.taint;
    const evicting = { ...rule, spec: { ...rule.spec, taint: { ...rule.spec.taint, effect: 'NoExecute' } } };
    const users = effect === 'None' || effect === 'NoExecute' ? this.#pods.lister.list() : [];
    const leaving = users.filter(
      (pod) => (pod.spec?.resourceClaims ?? []).length > 0 && this.#evictionOf(pod, [evicting])?.rules.has(uid),
    );
    const allocated = this.#claims.lister.list().flatMap(devicesOf);
    return ruleCondition(rule, {
      pods: leaving.length,
      namespaces: new Set(leaving.map(({ metadata }) => metadata?.namespace)).size,
      published: this.#published().filter((device) => taintsDevice(rule, device)).length,
      allocated: allocated.filter((device) => taintsDevice(rule, device)).length,
      evicted: this.#evicted.get(uid) ?? 0,
    });
  }

  /** Devices of the newest slices of all pools. */
  #published(): readonly DeviceName[] {
    const pools = Map.groupBy(this.#slices.lister.list(), ({ spec }) =>
      poolKey({ driver: spec.driver, pool: spec.pool.name }),
    );
    return [...pools.values()].flatMap((slices) => {
      const [first] = slices;
      if (first === undefined) return [];
      const { driver, pool } = first.spec;
      return newestDevices(slices).map(({ name }) => ({ driver, pool: pool.name, device: name }));
    });
  }
}

function devicesOf({ status }: ResourceClaim) {
  return status?.allocation?.devices?.results ?? [];
}

function poolKey({ driver, pool }: Pick<DeviceName, 'driver' | 'pool'>): string {
  return `${driver}/${pool}`;
}

function isSameOne(a: DeviceTaintRule, b: DeviceTaintRule): boolean {
  return a.metadata?.uid === b.metadata?.uid;
}

type Saying = Omit<Condition, 'lastTransitionTime'>;

function isSameCondition(a: Saying, b: Saying): boolean {
  return (
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}
