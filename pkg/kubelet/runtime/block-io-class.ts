/** The class of block I/O that a container is in, by annotations of its pod. Source: goresctrl `pkg/blockio/kubernetes.go`, which containerd and CRI-O use. */
import type { ContainerConfig } from './container-config.ts';

const podAnnotation = 'blockio.resources.beta.kubernetes.io/pod';
const containerPrefix = 'blockio.resources.beta.kubernetes.io/container.';

/** Its name; undefined where none is said. */
export function blockIoClassOf({
  annotations,
  name,
}: Pick<ContainerConfig, 'annotations' | 'name'>): string | undefined {
  return annotations[`${containerPrefix}${name}`] ?? annotations[podAnnotation];
}
