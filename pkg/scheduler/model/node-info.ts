/**
 * A node with the sums over the pods on it. Invariant: `requested`, `nonZero` and the port counts are exactly the sums over `pods`.
 * Changed by the cache alone; plugins only read it. Upstream counterpart: kube-scheduler `framework.NodeInfo`.
 */
import type { Node, Taint } from '#pkg/api/types/core-v1.ts';
import type { HostPort, PodInfo } from './pod-info.ts';
import { addResources, copyResources, noResources, type Resources, resourcesOf } from './resources.ts';

const noLabels: Readonly<Record<string, string>> = {};
const noTaints: readonly Taint[] = [];
const noPods: ReadonlyMap<string, PodInfo> = new Map();
const noCounts: ReadonlyMap<string, number> = new Map();
const anyIp = '0.0.0.0';

/** One node, known or only named by pods. */
export class NodeInfo {
  readonly name: string;
  /** Absent while pods are known to be on a node that is not known itself (yet, or any more). */
  node: Node | undefined;
  labels: Readonly<Record<string, string>> = noLabels;
  taints: readonly Taint[] = noTaints;
  allocatable: Resources = noResources();
  requested: Resources = noResources();
  /** Sums of CPU and memory with defaults for containers that request none. */
  readonly nonZero = { milliCpu: 0, memory: 0 };
  readonly pods = new Map<string, PodInfo>();
  /** How many of `pods` would not be here for the node's sake: a node without any is free to be left alone. */
  ownPods = 0;
  /** How often it was changed. */
  changes = 0;
  // Most copies that are made for a trial have none of these.
  #withAffinity: Map<string, PodInfo> | undefined;
  #ports: Map<string, number> | undefined;
  /** How many of `pods` are replicas of one workload, by the uid of that. */
  readonly replicas = new Map<string, number>();
  /** Undefined when it has to be worked out anew. */
  #lowestPriority: number | undefined = Number.POSITIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
  }

  /** Those of `pods` that have terms on other pods. */
  get podsWithAffinity(): ReadonlyMap<string, PodInfo> {
    return this.#withAffinity ?? noPods;
  }

  /** The lowest priority among the pods: nobody of that or a lower priority can make room here by preemption. */
  get lowestPriority(): number {
    if (this.#lowestPriority === undefined) {
      let lowest = Number.POSITIVE_INFINITY;
      for (const { priority } of this.pods.values()) lowest = Math.min(lowest, priority);
      this.#lowestPriority = lowest;
    }
    return this.#lowestPriority;
  }

  /** Takes over what the node says of itself; undefined when it is gone. */
  setNode(node: Node | undefined): void {
    this.changes++;
    this.node = node;
    this.labels = node?.metadata?.labels ?? noLabels;
    this.taints = node?.spec?.taints ?? noTaints;
    this.allocatable = resourcesOf(node?.status?.allocatable);
  }

  /** Adds a pod; replaces an earlier version of the same one. */
  addPod(pod: PodInfo): void {
    this.removePod(pod.uid);
    this.pods.set(pod.uid, pod);
    if (pod.affinity !== undefined) {
      this.#withAffinity ??= new Map();
      this.#withAffinity.set(pod.uid, pod);
    }
    if (this.#lowestPriority !== undefined) this.#lowestPriority = Math.min(this.#lowestPriority, pod.priority);
    this.#account(pod, 1);
  }

  /** Removes a pod; does nothing when it is not here. */
  removePod(uid: string): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    this.pods.delete(uid);
    this.#withAffinity?.delete(uid);
    this.#lowestPriority = undefined;
    this.#account(pod, -1);
  }

  /** Whether a port is taken: by the same address, or by or for all addresses. */
  hasPortConflict(port: HostPort): boolean {
    const suffix = `/${port.protocol}/${port.port}`;
    const ports = this.#ports ?? noCounts;
    if (port.ip !== anyIp) return ports.has(anyIp + suffix) || ports.has(port.ip + suffix);
    for (const taken of ports.keys()) if (taken.endsWith(suffix)) return true;
    return false;
  }

  /** A copy without some of its pods. */
  cloneWithout(isLeftOut: (pod: PodInfo) => boolean): NodeInfo {
    const copy = new NodeInfo(this.name);
    copy.node = this.node;
    copy.labels = this.labels;
    copy.taints = this.taints;
    copy.allocatable = this.allocatable;
    for (const pod of this.pods.values()) if (!isLeftOut(pod)) copy.addPod(pod);
    return copy;
  }

  /** A copy that can be changed to see what would be. */
  clone(): NodeInfo {
    const copy = new NodeInfo(this.name);
    copy.node = this.node;
    copy.labels = this.labels;
    copy.taints = this.taints;
    copy.allocatable = this.allocatable;
    copy.requested = copyResources(this.requested);
    copy.nonZero.milliCpu = this.nonZero.milliCpu;
    copy.nonZero.memory = this.nonZero.memory;
    copy.ownPods = this.ownPods;
    for (const [uid, count] of this.replicas) copy.replicas.set(uid, count);
    copy.#lowestPriority = this.#lowestPriority;
    for (const [uid, pod] of this.pods) copy.pods.set(uid, pod);
    copy.#withAffinity = copyOf(this.#withAffinity);
    copy.#ports = copyOf(this.#ports);
    return copy;
  }

  #account(pod: PodInfo, sign: 1 | -1): void {
    this.changes++;
    addResources(this.requested, pod.requests, sign);
    this.nonZero.milliCpu += sign * pod.nonZero.milliCpu;
    this.nonZero.memory += sign * pod.nonZero.memory;
    if (!pod.isOfNode) this.ownPods += sign;
    if (pod.workload !== undefined) count(this.replicas, pod.workload, sign);
    for (const { ip, protocol, port } of pod.hostPorts) {
      this.#ports ??= new Map();
      count(this.#ports, `${ip}/${protocol}/${port}`, sign);
    }
  }
}

function copyOf<Value>(map: ReadonlyMap<string, Value> | undefined): Map<string, Value> | undefined {
  return map === undefined || map.size === 0 ? undefined : new Map(map);
}

/** Adds to what is counted under a key; nothing is left of a count of 0. */
function count(counts: Map<string, number>, key: string, sign: 1 | -1): void {
  const sum = (counts.get(key) ?? 0) + sign;
  if (sum > 0) counts.set(key, sum);
  else counts.delete(key);
}
