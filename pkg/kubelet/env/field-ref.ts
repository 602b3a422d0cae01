/** Values of the downward API: fields of the pod and amounts of resources. Source: kubelet `fieldpath`, `resource` helpers. */
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../model/amounts.ts';
import { allContainers } from '../model/pod-view.ts';

/** What a field reference may be about besides the pod itself. */
export interface FieldContext {
  readonly pod: Pod;
  /** The first one first; none before the pod has any. */
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  readonly nodeName: string;
  /** What a container without a limit may use. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** The value, or undefined for a path that is not supported. */
export function fieldValue(context: FieldContext, selector: ObjectFieldSelector): string | undefined {
  const { pod } = context;
  const metadata = pod.metadata ?? {};
  const path = selector.fieldPath;
  const subscript = /^metadata\.(annotations|labels)\['(.*)'\]$/.exec(path);
  if (subscript !== null) {
    const map = subscript[1] === 'labels' ? metadata.labels : metadata.annotations;
    return map?.[subscript[2]!] ?? '';
  }
  switch (path) {
    case 'metadata.annotations':
      return formatMap(metadata.annotations ?? {});
    case 'metadata.labels':
      return formatMap(metadata.labels ?? {});
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'spec.nodeName':
      return context.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? '';
    case 'status.hostIP':
      return context.hostIps[0] ?? '';
    case 'status.hostIPs':
      return context.hostIps.join(',');
    case 'status.podIP':
      return context.podIps[0] ?? '';
    case 'status.podIPs':
      return context.podIps.join(',');
    default:
      return undefined;
  }
}

/** The amount, rounded up to the divisor; throws for a container or resource that is not there. */
export function resourceValue(context: FieldContext, selector: ResourceFieldSelector, own?: Container): string {
  const container =
    selector.containerName === undefined || selector.containerName === ''
      ? own
      : allContainers(context.pod).find(({ name }) => name === selector.containerName);
  if (container === undefined) throw new Error(`container ${selector.containerName ?? ''} not found`);
  const match = /^(limits|requests)\.(.+)$/.exec(selector.resource);
  if (match === null) throw new Error(`Unsupported container resource : ${selector.resource}`);
  const [, kind, name = ''] = match;
  const { limits, requests } = container.resources ?? {};
  const quantity = kind === 'limits' ? (limits?.[name] ?? context.allocatable[name]) : requests?.[name];
  const divisor = quantityValue(selector.divisor) || 1;
  return String(Math.ceil(Number((quantityValue(quantity) / divisor).toPrecision(12))));
}

/** `key="value"` lines, sorted, as files of the downward API have them. */
function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join('\n');
}
