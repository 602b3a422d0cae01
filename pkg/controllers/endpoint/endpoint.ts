/** Keeps the Endpoints object of every Service with a selector, for clients that do not know slices. Upstream counterpart: `pkg/controller/endpoint`. */
import type { Endpoints, Pod, Service } from '#pkg/api/types/core-v1.ts';
import { endpoints, pods, services } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey, splitKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { LastWrites } from '../common/last-writes.ts';
import { hasSelector, inheritedLabels, selectedPods, watchServicePods } from '../endpointslice/service-pods.ts';
import { TriggerTimes, withTriggerTime } from '../endpointslice/trigger-times.ts';
import { endpointSubsets } from './subsets.ts';

/** Services worked on at the same time. */
const workers = 5;
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const managerName = 'endpoint-controller';

/** The endpoints controller. */
export function createEndpointController(context: ControllerContext): Component {
  const { informers } = context;
  const serviceInformer = informers.informer(services);
  const podInformer = informers.informer(pods);
  const endpointsInformer = informers.informer(endpoints);
  const resource = context.client.resource(endpoints);
  const triggerTimes = new TriggerTimes();
  const writes = new LastWrites();
  /** Keys of Services that were seen to go: their Endpoints go with them, also those that users keep. */
  const deletedServices = new Set<string>();

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const service = serviceInformer.lister.get(key);
    const current = endpointsInformer.lister.get(key);
    if (service === undefined) {
      const isManaged = current?.metadata?.labels?.[managedByLabel] === managerName;
      if (!deletedServices.delete(key) && !isManaged) return undefined;
      const { name, namespace } = splitKey(key);
      await resource.delete(name, { namespace }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      return undefined;
    }
    if (!hasSelector(service) || service.spec?.type === 'ExternalName') return undefined;
    if (current !== undefined && writes.isBehind(key, current)) return undefined;
    const selected = selectedPods(service, podInformer);
    const triggerTime = triggerTimes.next(service, selected);
    const wanted = endpointsObject(service, selected, { current, triggerTime });
    if (current !== undefined && sameEndpoints(current, wanted)) return undefined;
    try {
      writes.wrote(key, await (current === undefined ? resource.create(wanted) : resource.update(wanted)));
    } catch (error) {
      // One that exists already is about to be seen, and looked at then.
      if (isAlreadyExists(error) || isNamespaceTerminating(error)) return undefined;
      const [verb, reason] =
        current === undefined ? ['create', 'FailedToCreateEndpoint'] : ['update', 'FailedToUpdateEndpoint'];
      const message = `Failed to ${verb} endpoint ${key}: ${error instanceof Error ? error.message : error}`;
      events.record(wanted, { type: 'Warning', reason: reason, message });
      throw error;
    }
    return undefined;
  };

  const events = context.recorder('endpoint-controller');
  const loop = createLoop(context, { name: 'endpoint', workers, reconcile });
  serviceInformer.addHandler({
    deleted: (service) => {
      deletedServices.add(objectKey(service));
      triggerTimes.forget(objectKey(service));
    },
  });
  watchServicePods({ services: serviceInformer, pods: podInformer }, (key) => loop.queue.add(key));
  endpointsInformer.addHandler({
    added: (object) => loop.queue.add(objectKey(object)),
    updated: (_, object) => loop.queue.add(objectKey(object)),
    deleted: (object) => {
      writes.forget(objectKey(object));
      loop.queue.add(objectKey(object));
    },
  });
  return loop;
}

function endpointsObject(
  service: Service,
  selected: readonly Pod[],
  { current, triggerTime }: { readonly current: Endpoints | undefined; readonly triggerTime: string | undefined },
): Endpoints {
  const { name = '', namespace = '' } = service.metadata ?? {};
  const { subsets, isTruncated } = endpointSubsets(service, selected);
  const { annotations: old, ...metadata } = current?.metadata ?? { name, namespace };
  const { [overCapacityAnnotation]: _, ...others } = old ?? {};
  const capacity: Readonly<Record<string, string>> = isTruncated ? { [overCapacityAnnotation]: 'truncated' } : {};
  const annotations = withTriggerTime({ ...others, ...capacity }, triggerTime);
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...metadata,
      labels: { ...inheritedLabels(service), [managedByLabel]: managerName },
      ...(annotations === undefined ? {} : { annotations }),
    },
    subsets,
  };
}

/** Whether two say the same. The time of the last change alone is not worth a write. */
function sameEndpoints(a: Endpoints, b: Endpoints): boolean {
  return (
    deepEqual(a.subsets ?? [], b.subsets) &&
    deepEqual(a.metadata?.labels, b.metadata?.labels) &&
    a.metadata?.annotations?.[overCapacityAnnotation] === b.metadata?.annotations?.[overCapacityAnnotation]
  );
}
