/** Keeps the EndpointSlices of every Service with a selector. Upstream counterpart: `pkg/controller/endpointslice`. */
import type { Node, Pod, Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, nodes, pods, services } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { Expectations } from '#pkg/client/expectations.ts';
import type { Informer } from '#pkg/client/informer.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { LastWrites } from '../common/last-writes.ts';
import { indexByNode, podsOnNode } from '../common/pod.ts';
import { isByProcessors } from './hints.ts';
import { hasSelector, selectedPods, servicesOf, watchServicePods } from './service-pods.ts';
import { isBehind, sliceSource, watchSlices, writeSlices } from './slice-writes.ts';
import { managerName, sliceChanges } from './slices.ts';
import { Topology } from './topology.ts';
import { TriggerTimes } from './trigger-times.ts';

/** Services worked on at the same time. */
const workers = 5;
const serviceIndex = 'service';

/** The endpoint-slice controller. */
export function createEndpointSliceController(context: ControllerContext): Component {
  const { client, informers } = context;
  const serviceInformer = informers.informer(services);
  const podInformer = informers.informer(pods);
  const nodeInformer = informers.informer(nodes);
  const sliceInformer = informers.informer(endpointSlices);
  /** A slice that was created and not yet seen would be created twice. */
  const expectations = new Expectations(context.clock);
  const tracker = { expectations, writes: new LastWrites() };
  const triggerTimes = new TriggerTimes();
  sliceInformer.addIndex(serviceIndex, (slice) => {
    const key = sliceSource(slice, managerName);
    return key === undefined ? [] : [key];
  });

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const service = serviceInformer.lister.get(key);
    if (service === undefined) return undefined; // The slices belong to the Service: the garbage collector takes them.
    if (!hasSelector(service) || service.spec?.type === 'ExternalName') return undefined;
    if (service.metadata?.deletionTimestamp !== undefined) return undefined;
    if (!expectations.satisfied(key)) return { requeueAfterMs: expectations.expiresInMs(key) };
    const existing = [...sliceInformer.lister.byIndex(serviceIndex, key)].sort(byName);
    if (isBehind(tracker, existing)) return undefined;
    const selected = selectedPods(service, podInformer);
    const changes = sliceChanges({
      service,
      pods: selected,
      triggerTime: triggerTimes.next(service, selected),
      existing,
      nodeOf: (name) => nodeInformer.lister.get(name),
      ...(isByProcessors(service) ? { shares: topology.shares } : {}),
    });
    topology.looked(service, changes.problems);
    try {
      await writeSlices({ client, ...tracker }, key, changes);
    } catch (error) {
      if (isNamespaceTerminating(error)) return undefined;
      const message = `Error updating Endpoint Slices for Service ${key}: ${error instanceof Error ? error.message : error}`;
      events.record(service, { type: 'Warning', reason: 'FailedToUpdateEndpointSlices', message });
      throw error;
    }
    return undefined;
  };

  const events = context.recorder('endpoint-slice-controller');
  const loop = createLoop(context, { name: 'endpointslice', workers, reconcile });
  const topology = new Topology({
    nodes: nodeInformer,
    events,
    changed: () => {
      for (const key of topology.services()) loop.queue.add(key);
    },
  });
  serviceInformer.addHandler({
    deleted: (service) => {
      expectations.forget(objectKey(service));
      triggerTimes.forget(objectKey(service));
      topology.forget(objectKey(service));
    },
  });
  watchServicePods({ services: serviceInformer, pods: podInformer }, (key) => loop.queue.add(key));
  watchNodes({ nodes: nodeInformer, pods: podInformer, services: serviceInformer }, (key) => loop.queue.add(key));
  watchSlices(sliceInformer, { manager: managerName, ...tracker, enqueue: (key) => loop.queue.add(key) });
  return loop;
}

/** Pods that are seen before their node wait for it. */
function watchNodes(
  informers: { readonly nodes: Informer<Node>; readonly pods: Informer<Pod>; readonly services: Informer<Service> },
  enqueue: (key: string) => void,
): void {
  indexByNode(informers.pods);
  informers.nodes.addHandler({
    added: (node) => {
      for (const pod of podsOnNode(informers.pods, objectKey(node)))
        for (const key of servicesOf(informers.services, [pod])) enqueue(key);
    },
  });
}

function byName(a: EndpointSlice, b: EndpointSlice): number {
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}
