/**
 * Mirrors Endpoints that users keep for Services without a selector into slices, which is all that proxies read.
 * Upstream counterpart: `pkg/controller/endpointslicemirroring`.
 */
import type { Endpoints } from '#pkg/api/types/core-v1.ts';
import { endpointSlices, endpoints, services } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { Expectations } from '#pkg/client/expectations.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { LastWrites } from '../common/last-writes.ts';
import { hasSelector } from '../endpointslice/service-pods.ts';
import { isBehind, sliceSource, watchSlices, writeSlices } from '../endpointslice/slice-writes.ts';
import { mirrorChanges, mirrorName } from './mirror.ts';

/** Endpoints worked on at the same time. */
const workers = 5;
const mirrorIndex = 'mirror';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';

/** The mirroring controller. */
export function createEndpointSliceMirroringController(context: ControllerContext): Component {
  const { client, informers } = context;
  const serviceInformer = informers.informer(services);
  const endpointsInformer = informers.informer(endpoints);
  const sliceInformer = informers.informer(endpointSlices);
  const expectations = new Expectations(context.clock);
  const tracker = { expectations, writes: new LastWrites() };
  sliceInformer.addIndex(mirrorIndex, (slice) => {
    const key = sliceSource(slice, mirrorName);
    return key === undefined ? [] : [key];
  });

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    if (!expectations.satisfied(key)) return { requeueAfterMs: expectations.expiresInMs(key) };
    const source = endpointsInformer.lister.get(key);
    const service = serviceInformer.lister.get(key);
    const isMirrored = source !== undefined && service !== undefined && !hasSelector(service) && shouldMirror(source);
    const existing = [...sliceInformer.lister.byIndex(mirrorIndex, key)].sort((a, b) =>
      objectKey(a) < objectKey(b) ? -1 : 1,
    );
    if (isBehind(tracker, existing)) return undefined;
    const changes = isMirrored ? mirrorChanges(source, existing) : { create: [], update: [], remove: existing };
    try {
      await writeSlices({ client, ...tracker }, key, changes);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
    return undefined;
  };

  const loop = createLoop(context, { name: 'endpointslicemirroring', workers, reconcile });
  const enqueue = (object: Endpoints): void => loop.queue.add(objectKey(object));
  endpointsInformer.addHandler({
    added: enqueue,
    updated: (_, object) => enqueue(object),
    deleted: (object) => {
      expectations.forget(objectKey(object));
      enqueue(object);
    },
  });
  serviceInformer.addHandler({
    added: (service) => loop.queue.add(objectKey(service)),
    updated: (previous, service) => {
      if (hasSelector(previous) !== hasSelector(service)) loop.queue.add(objectKey(service));
    },
    deleted: (service) => loop.queue.add(objectKey(service)),
  });
  watchSlices(sliceInformer, { manager: mirrorName, ...tracker, enqueue: (key) => loop.queue.add(key) });
  return loop;
}

/** Not when its owner says so, nor for objects that only hold a lock. */
function shouldMirror(source: Endpoints): boolean {
  const { labels, annotations } = source.metadata ?? {};
  return labels?.[skipLabel] !== 'true' && annotations?.[leaderAnnotation] === undefined;
}
