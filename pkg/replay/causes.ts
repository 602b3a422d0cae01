/**
 * Cause and consequence: what of a history is done again in a replay, and what follows by itself from the controllers, the scheduler and the kubelets.
 *
 * Causes are
 * - nodes that join, leave, change (capacity, labels, taints, whether they take pods) and fall silent (`Ready` is `Unknown`) or are heard again;
 * - objects that nobody controls (no controller among their owners) and that are made, changed or deleted by somebody else than the control plane.
 *   Who it was says the user, in an audit log, else the newest entry of the managed fields.
 *
 * Consequences are
 * - all that has a controller: pods of workloads, ReplicaSets, Jobs of CronJobs, …;
 * - kinds that only the control plane writes, and objects that every cluster has by itself;
 * - status, and what the control plane fills in (node names, cluster IPs, volume names, tokens' volumes), which is taken out of causes.
 *
 * Finished Jobs and pods of the start are not done again.
 * Deletions of objects that have a controller are not told from those by their controllers, and are consequences.
 * A replica count that an autoscaler has written is a cause, as what it measured is not known.
 */
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import { controllerOf, type JsonObject } from '#pkg/apimachinery/object.ts';
import type { Change } from './history.ts';
import { kubeOf, placeOf } from './object-place.ts';

/** What a node is like. */
export interface NodeFacts {
  readonly capacity: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly JsonObject[];
  readonly unschedulable: boolean;
}

/** Something to be done again, and when. */
export type Cause =
  | { readonly ms: number; readonly act: 'put'; readonly object: JsonObject }
  | { readonly ms: number; readonly act: 'delete'; readonly object: JsonObject }
  | { readonly ms: number; readonly act: 'join'; readonly node: string; readonly facts: NodeFacts }
  | { readonly ms: number; readonly act: 'change'; readonly node: string; readonly facts: NodeFacts }
  | { readonly ms: number; readonly act: 'leave' | 'return' | 'silence'; readonly node: string };

/** Kinds that the control plane alone writes. */
const consequentKinds: ReadonlySet<string> = new Set([
  'APIService',
  'CSIDriver',
  'CSINode',
  'CSIStorageCapacity',
  'CertificateSigningRequest',
  'ComponentStatus',
  'ControllerRevision',
  'EndpointSlice',
  'Endpoints',
  'Event',
  'FlowSchema',
  'IPAddress',
  'Lease',
  'LeaseCandidate',
  'NodeMetrics',
  'PodMetrics',
  'PriorityLevelConfiguration',
  'ServiceCIDR',
  'StorageVersion',
  'VolumeAttachment',
]);

const ownNamespaces: ReadonlySet<string> = new Set(['default', 'kube-node-lease', 'kube-public', 'kube-system']);
const ownManagers = /^(kube-|kubelet|cluster-autoscaler|system:(kube-|node:|apiserver|serviceaccount:kube-system:))/;
const ownUsers = /^system:(kube-|node:|apiserver$|serviceaccount:kube-system:)/;

/** The causes of a history, in order. */
export function causesOf(changes: readonly Change[]): readonly Cause[] {
  const reader = new CauseReader();
  for (const change of changes) reader.read(change);
  const atStart = reader.causes.filter(({ ms }) => ms === 0).toSorted((a, b) => rankOf(a) - rankOf(b));
  return [...atStart, ...reader.causes.filter(({ ms }) => ms > 0)];
}

/** What others need is made first, workloads last. */
const ranks = [
  'join',
  'Namespace',
  'CustomResourceDefinition',
  'PriorityClass',
  'ServiceAccount',
  'ConfigMap',
  'Secret',
];

function rankOf(cause: Cause): number {
  const what = 'object' in cause ? `${cause.object.kind}` : cause.act;
  const rank = ranks.indexOf(what);
  if (rank >= 0) return rank;
  return isWorkload(what) ? ranks.length + 1 : ranks.length;
}

function isWorkload(kind: string): boolean {
  return /^(CronJob|DaemonSet|Deployment|Job|Pod|ReplicaSet|ReplicationController|StatefulSet)$/.test(kind);
}

class CauseReader {
  readonly causes: Cause[] = [];
  /** By place: what was last put, as text. */
  readonly #put = new Map<string, string>();
  readonly #nodes = new Map<string, { readonly text: string; readonly isSilent: boolean }>();

  read(change: Change): void {
    const { object } = change;
    if (object.kind === 'Node' && object.apiVersion === 'v1') this.#readNode(change);
    else if (!isConsequence(object)) this.#readObject(change);
  }

  #readObject({ ms, type, object, user }: Change): void {
    const place = placeOf(object);
    const known = this.#put.get(place);
    const { metadata } = kubeOf(object);
    if (type === 'DELETED' || metadata?.deletionTimestamp !== undefined) {
      if (known === undefined) return;
      this.#put.delete(place);
      this.causes.push({ ms, act: 'delete', object });
      return;
    }
    if (known === undefined && isFinished(object) && type === 'STATE') return;
    const cleaned = causeOf(object);
    const text = jsonText(cleaned);
    if (text === known) return;
    if (known !== undefined && isOwnWrite(object, user)) return;
    this.#put.set(place, text);
    this.causes.push({ ms, act: 'put', object: cleaned });
  }

  #readNode({ ms, type, object }: Change): void {
    const { metadata, spec, status } = nodeParts(object);
    const node = `${metadata.name}`;
    const known = this.#nodes.get(node);
    if (type === 'DELETED') {
      if (known !== undefined) this.causes.push({ ms, act: 'leave', node });
      this.#nodes.delete(node);
      return;
    }
    const facts: NodeFacts = {
      capacity: strings(status.allocatable ?? status.capacity),
      labels: strings(metadata.labels),
      taints: list(spec.taints).filter(({ key }) => !`${key}`.startsWith('node.kubernetes.io/')),
      unschedulable: spec.unschedulable === true,
    };
    const isSilent = list(status.conditions).some(({ type: of, status: is }) => of === 'Ready' && is === 'Unknown');
    const text = jsonText(facts);
    // It says what it has once its kubelet has looked.
    if (known === undefined && Object.keys(facts.capacity).length === 0) return;
    if (known === undefined) this.causes.push({ ms, act: 'join', node, facts });
    else if (known.text !== text) this.causes.push({ ms, act: 'change', node, facts });
    if (isSilent !== (known?.isSilent ?? false)) this.causes.push({ ms, act: isSilent ? 'silence' : 'return', node });
    this.#nodes.set(node, { text, isSilent });
  }
}

interface NodeParts {
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
  readonly status: JsonObject;
}

function nodeParts({ metadata, spec, status }: JsonObject): NodeParts {
  const part = (value: unknown): JsonObject => (isObject(value) ? value : {});
  return { metadata: part(metadata), spec: part(spec), status: part(status) };
}

function strings(value: unknown): Readonly<Record<string, string>> {
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, text]) => [key, `${text}`])) : {};
}

function list(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Whether an object comes by itself. */
function isConsequence(object: JsonObject): boolean {
  const kube = kubeOf(object);
  const { name = '', namespace = '', labels, annotations } = kube.metadata ?? {};
  const kind = `${object.kind}`;
  if (controllerOf(kube) !== undefined || consequentKinds.has(kind)) return true;
  if (labels?.['kubernetes.io/bootstrapping'] !== undefined) return true;
  if (annotations?.['pv.kubernetes.io/provisioned-by'] !== undefined) return true;
  // Pods that a kubelet has from files.
  if (annotations?.['kubernetes.io/config.mirror'] !== undefined) return true;
  if (kind === 'Namespace') return ownNamespaces.has(name);
  if (kind === 'PriorityClass' || kind === 'ClusterRole' || kind === 'ClusterRoleBinding')
    return name.startsWith('system');
  if (kind === 'ServiceAccount' && (name === 'default' || namespace === 'kube-system')) return true;
  if (kind === 'ConfigMap' && (name === 'kube-root-ca.crt' || namespace === 'kube-system')) return true;
  if (kind === 'Service' && namespace === 'default' && name === 'kubernetes') return true;
  if (kind === 'Secret') return object.type === 'kubernetes.io/service-account-token' || namespace === 'kube-system';
  return (kind === 'Role' || kind === 'RoleBinding' || kind === 'Service') && namespace.startsWith('kube-');
}

function isOwnWrite(object: JsonObject, user: string | undefined): boolean {
  if (user !== undefined) return ownUsers.test(user);
  const { metadata } = kubeOf(object);
  const entries = (metadata?.managedFields ?? []).filter(({ subresource = '' }) => subresource !== 'status');
  const newest = entries.reduce((time, entry) => (`${entry.time}` > time ? `${entry.time}` : time), '');
  const last = entries.filter((entry) => `${entry.time}` === newest);
  return (
    last.length > 0 &&
    last.every(({ manager = '', subresource }) => ownManagers.test(manager) && subresource !== 'scale')
  );
}

/** Whether a pod or Job has come to its end. */
function isFinished({ kind, status }: JsonObject): boolean {
  if (!isObject(status)) return false;
  if (kind === 'Pod') return status.phase === 'Succeeded' || status.phase === 'Failed';
  if (kind !== 'Job') return false;
  return list(status.conditions).some(
    ({ type, status: is }) => is === 'True' && (type === 'Complete' || type === 'Failed'),
  );
}

const ownAnnotations =
  /^(deployment\.kubernetes\.io\/|pv\.kubernetes\.io\/|volume\.(beta\.)?kubernetes\.io\/|kubectl\.kubernetes\.io\/last-applied)/;

/** An object as it was asked for, without what was filled in. */
function causeOf({ apiVersion, kind, metadata, status: _, ...rest }: JsonObject): JsonObject {
  const { name, namespace, labels, annotations } = isObject(metadata) ? metadata : {};
  const kept = isObject(annotations)
    ? Object.fromEntries(Object.entries(annotations).filter(([key]) => !ownAnnotations.test(key)))
    : {};
  const meta = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels === undefined ? {} : { labels }),
    ...(Object.keys(kept).length === 0 ? {} : { annotations: kept }),
  };
  const { secrets, ...others } = rest;
  const own = kind === 'ServiceAccount' || secrets === undefined ? others : rest;
  const cleaned = isObject(own.spec) ? { ...own, spec: specOf(`${kind}`, own.spec) } : own;
  return { apiVersion, kind, metadata: meta, ...cleaned };
}

function specOf(kind: string, spec: JsonObject): JsonObject {
  switch (kind) {
    case 'Pod':
      return podSpec(spec);
    case 'Service':
      return without(spec, spec.clusterIP === 'None' ? [] : ['clusterIP', 'clusterIPs']);
    case 'PersistentVolumeClaim':
      return without(spec, ['volumeName']);
    case 'PersistentVolume':
      return without(spec, ['claimRef']);
    case 'Namespace':
      return without(spec, ['finalizers']);
    case 'Job':
      return jobSpec(spec);
    default:
      return spec;
  }
}

function without(object: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

const isTokenVolume = ({ name }: JsonObject): boolean => `${name}`.startsWith('kube-api-access-');

function podSpec(spec: JsonObject): JsonObject {
  const containers = (value: unknown): readonly JsonObject[] =>
    list(value).map((container) => ({
      ...container,
      ...('volumeMounts' in container
        ? { volumeMounts: list(container.volumeMounts).filter((mount) => !isTokenVolume(mount)) }
        : {}),
    }));
  const { nodeName: _, priority: __, preemptionPolicy: ___, ...asked } = spec;
  return {
    ...asked,
    ...('volumes' in spec ? { volumes: list(spec.volumes).filter((volume) => !isTokenVolume(volume)) } : {}),
    containers: containers(spec.containers),
    ...('initContainers' in spec ? { initContainers: containers(spec.initContainers) } : {}),
  };
}

const jobLabels = /^(batch\.kubernetes\.io\/)?(controller-uid|job-name)$/;

function jobSpec(spec: JsonObject): JsonObject {
  if (spec.manualSelector === true) return spec;
  const { selector: _, template, ...asked } = spec;
  if (!isObject(template) || !isObject(template.metadata) || !isObject(template.metadata.labels))
    return template === undefined ? asked : { ...asked, template };
  const labels = Object.fromEntries(Object.entries(template.metadata.labels).filter(([key]) => !jobLabels.test(key)));
  return { ...asked, template: { ...template, metadata: { ...template.metadata, labels } } };
}
