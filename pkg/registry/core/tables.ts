/** How the kinds of the core group other than pods are printed. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { fieldsOf, listAt, numberAt, objectAt, objectsAt, stringAt, stringMapAt } from '../draft.ts';
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

/** Source: upstream `printNamespace`. */
export const namespaceTable: TablePrinter = {
  columns: [nameColumn, column('Status'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), stringAt(object, 'status', 'phase'), age(object, nowMs)],
};

const rolePrefix = 'node-role.kubernetes.io/';

function nodeRoles(node: KubeObject): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value);
  }
  return [...roles].sort().join(',') || none;
}

function nodeStatus(node: KubeObject): string {
  const ready = objectsAt(node, 'status', 'conditions').find((condition) => condition.type === 'Ready');
  const parts = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (objectAt(node, 'spec')?.unschedulable === true) parts.push('SchedulingDisabled');
  return parts.join(',');
}

function nodeAddress(node: KubeObject, type: string): string {
  const address = objectsAt(node, 'status', 'addresses').find((candidate) => candidate.type === type);
  return stringAt(address, 'address') || none;
}

/** Source: upstream `printNode`. */
export const nodeTable: TablePrinter = {
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
    stringAt(node, 'status', 'nodeInfo', 'kubeletVersion'),
    nodeAddress(node, 'InternalIP'),
    nodeAddress(node, 'ExternalIP'),
    stringAt(node, 'status', 'nodeInfo', 'osImage') || unknown,
    stringAt(node, 'status', 'nodeInfo', 'kernelVersion') || unknown,
    stringAt(node, 'status', 'nodeInfo', 'containerRuntimeVersion') || unknown,
  ],
};

function externalIp(service: KubeObject): string {
  const external = listAt(service, 'spec', 'externalIPs').map(String);
  switch (stringAt(service, 'spec', 'type')) {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || none;
    case 'LoadBalancer': {
      const balancer = loadBalancerText(objectAt(service, 'status', 'loadBalancer'));
      return [...(balancer === '' ? [] : [balancer]), ...external].join(',') || '<pending>';
    }
    case 'ExternalName':
      return stringAt(service, 'spec', 'externalName');
    default:
      return unknown;
  }
}

function portText(port: JsonObject): string {
  const nodePort = numberAt(port, 'nodePort') ?? 0;
  const numbers = nodePort > 0 ? `${port.port}:${nodePort}` : `${port.port}`;
  return `${numbers}/${stringAt(port, 'protocol')}`;
}

/** Source: upstream `printService`. */
export const serviceTable: TablePrinter = {
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
    stringAt(service, 'spec', 'type'),
    String(listAt(service, 'spec', 'clusterIPs')[0] ?? none),
    externalIp(service),
    objectsAt(service, 'spec', 'ports').map(portText).join(',') || none,
    age(service, nowMs),
    formatLabels(stringMapAt(service, 'spec', 'selector')),
  ],
};

/** Most addresses an endpoints cell shows. */
const shownMax = 3;

function endpointsText(endpoints: KubeObject): string {
  const subsets = objectsAt(endpoints, 'subsets');
  if (subsets.length === 0) return none;
  const all = subsets.flatMap((subset) => {
    const ips = objectsAt(subset, 'addresses').map((address) => stringAt(address, 'ip'));
    const ports = objectsAt(subset, 'ports');
    if (ports.length === 0) return ips;
    return ports.flatMap((port) => ips.map((ip) => joinHostPort(ip, numberAt(port, 'port') ?? 0)));
  });
  return moreText(all, shownMax);
}

/** Source: upstream `printEndpoints`. */
export const endpointsTable: TablePrinter = {
  columns: [nameColumn, column('Endpoints'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), endpointsText(object), age(object, nowMs)],
};

function entries(object: KubeObject, ...fields: readonly string[]): number {
  return fields.reduce((sum, field) => sum + Object.keys(objectAt(object, field) ?? {}).length, 0);
}

/** Source: upstream `printConfigMap`. */
export const configMapTable: TablePrinter = {
  columns: [nameColumn, column('Data'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), entries(object, 'data', 'binaryData'), age(object, nowMs)],
};

/** Source: upstream `printSecret`. */
export const secretTable: TablePrinter = {
  columns: [nameColumn, column('Type'), column('Data'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), stringAt(object, 'type'), entries(object, 'data'), age(object, nowMs)],
};

/** Source: upstream `printServiceAccount`. */
export const serviceAccountTable: TablePrinter = {
  columns: [nameColumn, column('Secrets'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), listAt(object, 'secrets').length, age(object, nowMs)],
};

/** An event's source as one text: both components when they differ, then the host. */
function eventSource(event: KubeObject): string {
  const source = objectAt(event, 'source');
  const component = stringAt(source, 'component') || stringAt(event, 'reportingComponent');
  const host = stringAt(source, 'host') || stringAt(event, 'reportingInstance');
  return host === '' ? component : `${component}, ${host}`;
}

function eventTimes(event: KubeObject, nowMs: number): { readonly first: string; readonly last: string } {
  const fields = fieldsOf(event);
  const first = since(fields.firstTimestamp || fields.eventTime, nowMs);
  const lastSeen = stringAt(event, 'series', 'lastObservedTime') || fields.lastTimestamp;
  return { first, last: lastSeen ? since(lastSeen, nowMs) : first };
}

function eventTarget(event: KubeObject): string {
  const kind = stringAt(event, 'involvedObject', 'kind').toLowerCase();
  const name = stringAt(event, 'involvedObject', 'name');
  return name === '' ? kind : `${kind}/${name}`;
}

/** Source: upstream `printEvent`. */
export const eventTable: TablePrinter = {
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
      stringAt(event, 'type'),
      stringAt(event, 'reason'),
      eventTarget(event),
      stringAt(event, 'involvedObject', 'fieldPath'),
      eventSource(event),
      stringAt(event, 'message').trim(),
      first,
      numberAt(event, 'series', 'count') ?? (numberAt(event, 'count') || 1),
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
function accessModes(modes: readonly unknown[]): string {
  const given = new Set(modes.map(String));
  return Object.entries(shortModes)
    .filter(([mode]) => given.has(mode))
    .map(([, short]) => short)
    .join(',');
}

function storageClassOf(object: KubeObject): string {
  const annotated = object.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'];
  return annotated ?? stringAt(object, 'spec', 'storageClassName');
}

function phaseOf(object: KubeObject): string {
  return object.metadata?.deletionTimestamp === undefined ? stringAt(object, 'status', 'phase') : 'Terminating';
}

function quantityText(object: KubeObject, ...path: readonly string[]): string {
  const value = objectAt(object, ...path)?.storage;
  return value === undefined ? '0' : String(value);
}

/** Source: upstream `printPersistentVolume`. */
export const persistentVolumeTable: TablePrinter = {
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
    const claim = objectAt(object, 'spec', 'claimRef');
    return [
      nameOf(object),
      quantityText(object, 'spec', 'capacity'),
      accessModes(listAt(object, 'spec', 'accessModes')),
      stringAt(object, 'spec', 'persistentVolumeReclaimPolicy'),
      phaseOf(object),
      claim === undefined ? '' : `${stringAt(claim, 'namespace')}/${stringAt(claim, 'name')}`,
      storageClassOf(object),
      stringAt(object, 'spec', 'volumeAttributesClassName') || unset,
      stringAt(object, 'status', 'reason'),
      age(object, nowMs),
      stringAt(object, 'spec', 'volumeMode') || unset,
    ];
  },
};

/** Source: upstream `printPersistentVolumeClaim`. */
export const persistentVolumeClaimTable: TablePrinter = {
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
    const volume = stringAt(object, 'spec', 'volumeName');
    return [
      nameOf(object),
      phaseOf(object),
      volume,
      volume === '' ? '' : quantityText(object, 'status', 'capacity'),
      volume === '' ? '' : accessModes(listAt(object, 'status', 'accessModes')),
      storageClassOf(object),
      stringAt(object, 'spec', 'volumeAttributesClassName') || unset,
      age(object, nowMs),
      stringAt(object, 'spec', 'volumeMode') || unset,
    ];
  },
};

/** Source: upstream `printComponentStatus`. */
export const componentStatusTable: TablePrinter = {
  columns: [nameColumn, column('Status'), column('Message'), column('Error')],
  cells(object) {
    const healthy = objectsAt(object, 'conditions').find((condition) => condition.type === 'Healthy');
    const status = healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy';
    return [nameOf(object), status, stringAt(healthy, 'message'), stringAt(healthy, 'error')];
  },
};

/** Source: upstream `printResourceQuota`. */
export const resourceQuotaTable: TablePrinter = {
  columns: [nameColumn, column('Request'), column('Limit'), ageColumn],
  cells(object, nowMs) {
    const hard = objectAt(object, 'status', 'hard') ?? {};
    const used = objectAt(object, 'status', 'used') ?? {};
    const names = Object.keys(hard).sort();
    const isLimit = (name: string): boolean => name.startsWith('limits');
    const use = (name: string): string => `${name}: ${used[name] ?? 0}/${hard[name]}`;
    const requests = names.filter((name) => !isLimit(name)).map(use);
    const limits = names.filter(isLimit).map(use);
    return [nameOf(object), requests.join(', '), limits.join(', '), age(object, nowMs)];
  },
};
