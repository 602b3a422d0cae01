/** How the kinds of the core group other than pods are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */

import type {
  ComponentStatus,
  ConfigMap,
  Endpoints,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
  ServicePort,
} from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import {
  age,
  ageColumn,
  column,
  formatLabels,
  nameColumn,
  nameOf,
  none,
  since,
  unknown,
  unset,
  wide,
} from '../printing/columns.ts';
import { joinHostPort, loadBalancerText, moreText } from '../printing/network.ts';
import type { AnyEvent } from './any-event.ts';

/** Source: upstream `printNamespace`. */
export const namespaceTable: TablePrinter<Given<Namespace>> = {
  columns: [nameColumn, column('Status'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), object.status?.phase ?? '', age(object, nowMs)],
};

const rolePrefix = 'node-role.kubernetes.io/';

function nodeRoles(node: Given<Node>): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return [...roles].sort().join(',') || none;
}

function nodeStatus(node: Given<Node>): string {
  const ready = (node.status?.conditions ?? []).find((condition) => condition.type === 'Ready');
  const parts = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec?.unschedulable === true) parts.push('SchedulingDisabled');
  return parts.join(',');
}

function nodeAddress(node: Given<Node>, type: string): string {
  const address = (node.status?.addresses ?? []).find((candidate) => candidate.type === type);
  return (address?.address ?? '') || none;
}

/** Source: upstream `printNode`. */
export const nodeTable: TablePrinter<Given<Node>> = {
  columns: [
    nameColumn,
    column('Status'),
    column('Roles'),
    ageColumn,
    column('Version'),
    wide('Internal-IP'),
    wide('External-IP'),
    wide('OS-Image'),
    wide('Kernel-Version'),
    wide('Container-Runtime'),
  ],
  cells: (node, nowMs) => [
    nameOf(node),
    nodeStatus(node),
    nodeRoles(node),
    age(node, nowMs),
    node.status?.nodeInfo?.kubeletVersion ?? '',
    nodeAddress(node, 'InternalIP'),
    nodeAddress(node, 'ExternalIP'),
    (node.status?.nodeInfo?.osImage ?? '') || unknown,
    (node.status?.nodeInfo?.kernelVersion ?? '') || unknown,
    (node.status?.nodeInfo?.containerRuntimeVersion ?? '') || unknown,
  ],
};

function externalIp(service: Given<Service>): string {
  const external = service.spec?.externalIPs ?? [];
  switch (service.spec?.type ?? '') {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || none;
    case 'LoadBalancer': {
      const balancer = loadBalancerText(service.status?.loadBalancer);
      return [...(balancer === '' ? [] : [balancer]), ...external].join(',') || '<pending>';
    }
    case 'ExternalName':
      return service.spec?.externalName ?? '';
    default:
      return unknown;
  }
}

function portText(port: Given<ServicePort>): string {
  const nodePort = port.nodePort ?? 0;
  const numbers = nodePort > 0 ? `${port.port}:${nodePort}` : `${port.port}`;
  return `${numbers}/${port.protocol ?? ''}`;
}

/** Source: upstream `printService`. */
export const serviceTable: TablePrinter<Given<Service>> = {
  columns: [
    nameColumn,
    column('Type'),
    column('Cluster-IP'),
    column('External-IP'),
    column('Port(s)'),
    ageColumn,
    wide('Selector'),
  ],
  cells: (service, nowMs) => [
    nameOf(service),
    service.spec?.type ?? '',
    String((service.spec?.clusterIPs ?? [])[0] ?? none),
    externalIp(service),
    (service.spec?.ports ?? []).map(portText).join(',') || none,
    age(service, nowMs),
    formatLabels(service.spec?.selector ?? {}),
  ],
};

/** Most addresses an endpoints cell shows. */
const shownMax = 3;

function endpointsText(endpoints: Given<Endpoints>): string {
  const subsets = endpoints.subsets ?? [];
  if (subsets.length === 0) return none;
  const all = subsets.flatMap((subset) => {
    const ips = (subset.addresses ?? []).map((address) => address.ip ?? '');
    const ports = subset.ports ?? [];
    if (ports.length === 0) return ips;
    return ports.flatMap((port) => ips.map((ip) => joinHostPort(ip, port.port ?? 0)));
  });
  return moreText(all, shownMax);
}

/** Source: upstream `printEndpoints`. */
export const endpointsTable: TablePrinter<Given<Endpoints>> = {
  columns: [nameColumn, column('Endpoints'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), endpointsText(object), age(object, nowMs)],
};

function entries(...maps: readonly (Readonly<Record<string, string>> | undefined)[]): number {
  return maps.reduce((sum, map) => sum + Object.keys(map ?? {}).length, 0);
}

/** Source: upstream `printConfigMap`. */
export const configMapTable: TablePrinter<Given<ConfigMap>> = {
  columns: [nameColumn, column('Data'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), entries(object.data, object.binaryData), age(object, nowMs)],
};

/** Source: upstream `printSecret`. */
export const secretTable: TablePrinter<Given<Secret>> = {
  columns: [nameColumn, column('Type'), column('Data'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), object.type ?? '', entries(object.data), age(object, nowMs)],
};

/** Source: upstream `printServiceAccount`. */
export const serviceAccountTable: TablePrinter<Given<ServiceAccount>> = {
  columns: [nameColumn, column('Secrets'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), (object.secrets ?? []).length, age(object, nowMs)],
};

/** An event's source as one text: both components when they differ, then the host. */
function eventSource(event: Given<AnyEvent>): string {
  const source = event.source;
  const component = (source?.component ?? '') || (event.reportingComponent ?? '');
  const host = (source?.host ?? '') || (event.reportingInstance ?? '');
  return host === '' ? component : `${component}, ${host}`;
}

function eventTimes(event: Given<AnyEvent>, nowMs: number): { readonly first: string; readonly last: string } {
  const fields = event;
  const first = since(fields.firstTimestamp || fields.eventTime, nowMs);
  const lastSeen = (event.series?.lastObservedTime ?? '') || fields.lastTimestamp;
  return { first, last: lastSeen ? since(lastSeen, nowMs) : first };
}

function eventTarget(event: Given<AnyEvent>): string {
  const kind = (event.involvedObject?.kind ?? '').toLowerCase();
  const name = event.involvedObject?.name ?? '';
  return name === '' ? kind : `${kind}/${name}`;
}

/** Source: upstream `printEvent`. */
export const eventTable: TablePrinter<Given<AnyEvent>> = {
  columns: [
    column('Last Seen'),
    column('Type'),
    column('Reason'),
    column('Object'),
    wide('Subobject'),
    wide('Source'),
    column('Message'),
    wide('First Seen'),
    wide('Count'),
    { ...nameColumn, priority: 1 },
  ],
  cells(event, nowMs) {
    const { first, last } = eventTimes(event, nowMs);
    return [
      last,
      event.type ?? '',
      event.reason ?? '',
      eventTarget(event),
      event.involvedObject?.fieldPath ?? '',
      eventSource(event),
      (event.message ?? '').trim(),
      first,
      event.series?.count ?? (event.count || 1),
      nameOf(event),
    ];
  },
};

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

/** Access modes in the order upstream lists them, whatever order the object has. */
function accessModes(modes: readonly string[]): string {
  const given = new Set(modes.map(String));
  return Object.entries(shortModes)
    .filter(([mode]) => given.has(mode))
    .map(([, short]) => short)
    .join(',');
}

function storageClassOf(object: Given<PersistentVolume | PersistentVolumeClaim>): string {
  const annotated = object.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'];
  return annotated ?? object.spec?.storageClassName ?? '';
}

function phaseOf(object: Given<PersistentVolume | PersistentVolumeClaim>): string {
  return object.metadata?.deletionTimestamp === undefined ? (object.status?.phase ?? '') : 'Terminating';
}

function storageText(amounts: Readonly<Record<string, string>> | null | undefined): string {
  return amounts?.storage ?? '0';
}

/** Source: upstream `printPersistentVolume`. */
export const persistentVolumeTable: TablePrinter<Given<PersistentVolume>> = {
  columns: [
    nameColumn,
    column('Capacity'),
    column('Access Modes'),
    column('Reclaim Policy'),
    column('Status'),
    column('Claim'),
    column('StorageClass'),
    column('VolumeAttributesClass'),
    column('Reason'),
    ageColumn,
    wide('VolumeMode'),
  ],
  cells(object, nowMs) {
    const claim = object.spec?.claimRef;
    return [
      nameOf(object),
      storageText(object.spec?.capacity),
      accessModes(object.spec?.accessModes ?? []),
      object.spec?.persistentVolumeReclaimPolicy ?? '',
      phaseOf(object),
      claim === undefined ? '' : `${claim.namespace ?? ''}/${claim.name ?? ''}`,
      storageClassOf(object),
      (object.spec?.volumeAttributesClassName ?? '') || unset,
      object.status?.reason ?? '',
      age(object, nowMs),
      (object.spec?.volumeMode ?? '') || unset,
    ];
  },
};

/** Source: upstream `printPersistentVolumeClaim`. */
export const persistentVolumeClaimTable: TablePrinter<Given<PersistentVolumeClaim>> = {
  columns: [
    nameColumn,
    column('Status'),
    column('Volume'),
    column('Capacity'),
    column('Access Modes'),
    column('StorageClass'),
    column('VolumeAttributesClass'),
    ageColumn,
    wide('VolumeMode'),
  ],
  cells(object, nowMs) {
    const volume = object.spec?.volumeName ?? '';
    return [
      nameOf(object),
      phaseOf(object),
      volume,
      volume === '' ? '' : storageText(object.status?.capacity),
      volume === '' ? '' : accessModes(object.status?.accessModes ?? []),
      storageClassOf(object),
      (object.spec?.volumeAttributesClassName ?? '') || unset,
      age(object, nowMs),
      (object.spec?.volumeMode ?? '') || unset,
    ];
  },
};

/** Source: upstream `printComponentStatus`. */
export const componentStatusTable: TablePrinter<Given<ComponentStatus>> = {
  columns: [nameColumn, column('Status'), column('Message'), column('Error')],
  cells(object) {
    const healthy = (object.conditions ?? []).find((condition) => condition.type === 'Healthy');
    const status = healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy';
    return [nameOf(object), status, healthy?.message ?? '', healthy?.error ?? ''];
  },
};

/** Source: upstream `printResourceQuota`. */
export const resourceQuotaTable: TablePrinter<Given<ResourceQuota>> = {
  columns: [nameColumn, column('Request'), column('Limit'), ageColumn],
  cells(object, nowMs) {
    const hard = object.status?.hard ?? {};
    const used = object.status?.used ?? {};
    const names = Object.keys(hard).sort();
    const isLimit = (name: string): boolean => name.startsWith('limits');
    const use = (name: string): string => `${name}: ${used[name] ?? 0}/${hard[name]}`;
    const requests = names.filter((name) => !isLimit(name)).map(use);
    const limits = names.filter(isLimit).map(use);
    return [nameOf(object), requests.join(', '), limits.join(', '), age(object, nowMs)];
  },
};
