/**
 * Says of ranges of cluster IPs that they are ready, and keeps those that are being deleted until no address is theirs alone: another range has it too, or
 * nobody has it. Whoever gives addresses takes none of a range that is being deleted; for ten seconds some may not have heard of it.
 * Upstream counterpart: `pkg/controller/servicecidrs`.
 */
import { addressLabels, addressManager } from '#pkg/api/service-address.ts';
import type { Condition } from '#pkg/api/types/meta-v1.ts';
import type { IPAddress, ServiceCIDR } from '#pkg/api/types/networking-v1.ts';
import { ipAddresses, serviceCIDrs } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { ResourceClient } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { withCondition } from '../common/conditions.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { timeMs } from '../common/pod.ts';
import { blocksOf, holdsAddress, holdsBlock, overlap } from './ranges.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const workers = 5;

/** Until then whoever gives addresses may not know of a deletion. Source: `deletionGracePeriod`. */
const graceMs = 10_000;

const stillUsed =
  'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';

/** The controller of ranges. */
export function createServiceCidrController(context: ControllerContext): Component {
  const ranges = context.informers.informer(serviceCIDrs);
  const addresses = context.informers.informer(ipAddresses);
  const recorder = context.recorder('service-cidr-controller');
  const writing: Writing = { clock: context.clock, recorder, resource: context.client.resource(serviceCIDrs) };
  const loop = createLoop(context, {
    name: 'service-cidr',
    workers,
    reconcile: async (key) => {
      const range = ranges.lister.get(key);
      if (range === undefined) return undefined;
      try {
        if (range.metadata?.deletionTimestamp === undefined) await keep(range, writing);
        else return await letGo(range, isUnneeded(range, ranges.lister.list(), addresses.lister.list()), writing);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return undefined;
    },
  });
  const enqueueIf = (concerns: (range: ServiceCIDR) => boolean): void => {
    for (const range of ranges.lister.list()) if (concerns(range)) loop.queue.add(objectKey(range));
  };
  const beside = (changed: ServiceCIDR): void => {
    loop.queue.add(objectKey(changed));
    enqueueIf((range) => overlap(range, changed));
  };
  ranges.addHandler({ added: beside, updated: (_, range) => loop.queue.add(objectKey(range)), deleted: beside });
  const around = (address: IPAddress): void => {
    if (isManaged(address)) enqueueIf((range) => holdsAddress(range, address.metadata?.name ?? ''));
  };
  addresses.addHandler({ added: around, deleted: around });
  return loop;
}

interface Writing {
  readonly clock: Clock;
  readonly recorder: EventRecorder;
  readonly resource: ResourceClient<ServiceCIDR>;
}

async function withStatus(range: ServiceCIDR, condition: Condition, { resource }: Writing): Promise<void> {
  const conditions = withCondition(range.status?.conditions, condition);
  if (conditions === range.status?.conditions) return;
  await resource.update({ ...range, status: { ...range.status, conditions } }, { subresource: 'status' });
}

/** Sees to it that a range has the finalizer, and then that it is said to be ready. */
async function keep(range: ServiceCIDR, writing: Writing): Promise<void> {
  const { finalizers = [] } = range.metadata ?? {};
  if (!finalizers.includes(finalizer)) {
    await writing.resource.update({
      ...range,
      metadata: { ...range.metadata, finalizers: [...finalizers, finalizer] },
    });
    return;
  }
  if (findCondition(range.status?.conditions, 'Ready')?.status === 'True') return;
  const lastTransitionTime = timestamp(writing.clock);
  const message = 'Kubernetes Service CIDR is ready';
  try {
    await withStatus(range, { type: 'Ready', status: 'True', reason: '', message, lastTransitionTime }, writing);
  } catch (error) {
    const failed = 'The ServiceCIDR Status can not be set to Ready=True';
    writing.recorder.record(range, { type: 'Warning', reason: 'KubernetesServiceCIDRError', message: failed });
    throw error;
  }
}

/** Lets a range go that is being deleted, once nothing is lost with it. */
async function letGo(range: ServiceCIDR, isUnneeded: boolean, writing: Writing): Promise<ReconcileResult> {
  const { finalizers = [], deletionTimestamp } = range.metadata ?? {};
  if (!finalizers.includes(finalizer)) return undefined;
  const { clock, resource } = writing;
  if (!isUnneeded) {
    const lastTransitionTime = timestamp(clock);
    const why = { reason: 'Terminating', message: stillUsed };
    await withStatus(range, { type: 'Ready', status: 'False', ...why, lastTransitionTime }, writing);
    return undefined;
  }
  const waitMs = graceMs - (clock.nowMs() - timeMs(deletionTimestamp));
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  const kept = finalizers.filter((name) => name !== finalizer);
  await resource.update({ ...range, metadata: { ...range.metadata, finalizers: kept } });
  return undefined;
}

function isManaged({ metadata }: IPAddress): boolean {
  return metadata?.labels?.[addressLabels.managedBy] === addressManager;
}

/** Whether nothing is lost with a range: others have all of it, or each of its addresses that was given. Source: `canDeleteCIDR`. */
function isUnneeded(range: ServiceCIDR, all: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const others = all.filter((other) => other.metadata?.name !== range.metadata?.name);
  if (blocksOf(range).every((block) => others.some((other) => holdsBlock(other, block)))) return true;
  return addresses.every((address) => {
    const ip = address.metadata?.name ?? '';
    return !isManaged(address) || !holdsAddress(range, ip) || others.some((other) => holdsAddress(other, ip));
  });
}
