/** The limits of a pod and of its containers on this node: what they ask for, and the processors and the memory that the node gives them. */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../model/amounts.ts';
import type { ContainerResources, QosClass } from '../runtime/container-config.ts';
import { containerResources, podResources } from './container-resources.ts';
import type { PodContext } from './pod-context.ts';

type Fitting = Pick<PodContext, 'allocatable' | 'pinning'>;

/** Those of a container. */
export function fittingContainerResources(context: Fitting, pod: Pod, container: Container): ContainerResources {
  const resources = containerResources(pod, container, quantityValue(context.allocatable()['memory']));
  return context.pinning.fitContainer(pod, container.name, resources);
}

/** Those of a pod as a whole, and its class. */
export function fittingResources(
  { pinning }: Fitting,
  pod: Pod,
): { readonly qosClass: QosClass; readonly resources: ContainerResources } {
  const { qosClass, resources } = podResources(pod);
  return { qosClass, resources: pinning.fitPod(pod, resources) };
}
