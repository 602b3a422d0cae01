/** Keeps the Endpoints object of every Service with a selector, for clients that do not know slices. Upstream counterpart: `pkg/controller/endpoint`. */
import type { Endpoints, Service } from '#pkg/api/types/core-v1.ts';
import { endpoints, pods, services } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey, splitKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import {
  hasSelector,
  headlessLabel,
  isHeadless,
  selectedPods,
  triggerTime,
  triggerTimeAnnotation,
  watchServicePods,
} from '../endpointslice/service-pods.ts';
import { isNamespaceTerminating } from '../replicaset/pod-control.ts';
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

  const reconcile = async (key: string): Promise<ReconcileResult> => {
    const service = serviceInformer.lister.get(key);
    const current = endpointsInformer.lister.get(key);
    if (service === undefined) {
      if (current?.metadata?.labels?.[managedByLabel] !== managerName) return undefined;
      const { name, namespace } = splitKey(key);
      await resource.delete(name, { namespace }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      return undefined;
    }
    if (!hasSelector(service) || service.spec?.type === 'ExternalName') return undefined;
    const wanted = endpointsObject(service, selectedPods(service, podInformer), current);
    if (current !== undefined && sameEndpoints(current, wanted)) return undefined;
    try {
      await (current === undefined ? resource.create(wanted) : resource.update(wanted));
    } catch (error) {
      // One that exists already is about to be seen, and looked at then.
      if (isAlreadyExists(error) || isNamespaceTerminating(error)) return undefined;
      const [verb, reason] =
        current === undefined ? ['create', 'FailedToCreateEndpoint'] : ['update', 'FailedToUpdateEndpoint'];
      const message = `Failed to ${verb} endpoint ${key}: ${error}`;
      events.record(wanted, { type: 'Warning', reason: reason!, message });
      throw error;
    }
    return undefined;
  };

  const events = context.recorder('endpoint-controller');
  const loop = createLoop(context, { name: 'endpoint', workers, reconcile });
  watchServicePods({ services: serviceInformer, pods: podInformer }, (key) => loop.queue.add(key));
  endpointsInformer.addHandler({
    added: (object) => loop.queue.add(objectKey(object)),
    updated: (_, object) => loop.queue.add(objectKey(object)),
    deleted: (object) => loop.queue.add(objectKey(object)),
  });
  return loop;
}

function endpointsObject(
  service: Service,
  selected: ReturnType<typeof selectedPods>,
  current: Endpoints | undefined,
): Endpoints {
  const { name = '', namespace = '', labels } = service.metadata ?? {};
  const { subsets, isTruncated } = endpointSubsets(service, selected);
  const changed = triggerTime(service, selected);
  const { [overCapacityAnnotation]: _, ...annotations } = current?.metadata?.annotations ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...(current?.metadata ?? { name, namespace }),
      labels: { ...labels, ...(isHeadless(service) ? { [headlessLabel]: '' } : {}), [managedByLabel]: managerName },
      annotations: {
        ...annotations,
        ...(isTruncated ? { [overCapacityAnnotation]: 'truncated' } : {}),
        ...(changed === undefined ? {} : { [triggerTimeAnnotation]: changed }),
      },
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
