/** Which container of a pod a connection is about. Source: upstream `pkg/registry/core/pod/strategy.go` `validateContainer`, `LogLocation`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';

interface NamedContainer {
  readonly name: string;
}

/** As much of a pod as is asked for here. */
export interface PodContainers {
  readonly spec?: {
    readonly nodeName?: string;
    readonly containers?: readonly NamedContainer[];
    readonly initContainers?: readonly NamedContainer[];
    readonly ephemeralContainers?: readonly NamedContainer[];
  };
}

const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container';

/**
 * The container of that name; without one, the only one there is, or for logs the one that an annotation names. Throws BadRequest when there is no
 * such container, or when it could be any of several.
 */
export function containerOf(pod: KubeObject & PodContainers, asked: string, purpose: 'connect' | 'log'): string {
  const name = pod.metadata?.name ?? '';
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const all = [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name);
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  if (containers.length === 1) return containers[0]!.name;
  if (containers.length === 0) throw badRequest(`a container name must be specified for pod ${name}`);
  const choose = `a container name must be specified for pod ${name}, choose one of:`;
  if (purpose === 'connect') throw badRequest(`${choose} [${all.join(' ')}]`);
  const preferred = pod.metadata!.annotations?.[defaultContainerAnnotation];
  if (preferred !== undefined && all.includes(preferred)) return preferred;
  const names = containers.map((container) => container.name).join(' ');
  const init =
    initContainers.length === 0
      ? ''
      : ` or one of the init containers: [${initContainers.map((c) => c.name).join(' ')}]`;
  throw badRequest(`${choose} [${names}]${init}`);
}
