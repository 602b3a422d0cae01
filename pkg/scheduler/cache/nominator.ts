/**
 * Pods that were promised a node once its victims are gone. Others of lower priority must not take that room meanwhile.
 * Upstream counterpart: kube-scheduler `backend/queue/nominator.go`.
 */
import type { ClusterView } from '../model/cluster-view.ts';
import type { PodInfo } from '../model/pod-info.ts';
import { ChangeLog } from './change-log.ts';

const nobody: readonly PodInfo[] = [];

interface Promised {
  readonly pod: PodInfo;
  readonly nodeName: string;
  /** Who makes room there; nobody where that is not known. */
  readonly victims: readonly PodInfo[];
}

/** What a pod that was refused may expect. */
export interface Expectation {
  readonly nominatedNodeName?: string | undefined;
  /** Who makes room there. */
  readonly victims?: readonly PodInfo[] | undefined;
}

/** The promises of one scheduler. */
export class Nominator {
  readonly #byPod = new Map<string, Promised>();
  /** Each list is replaced, never changed. */
  readonly #byNode = new Map<string, readonly PodInfo[]>();
  /** Names of nodes that were promised, or are no longer. */
  readonly changes = new ChangeLog<string>();

  get isEmpty(): boolean {
    return this.#byPod.size === 0;
  }

  /** The nodes that were promised to someone; nearly always none. */
  nodeNames(): Iterable<string> {
    return this.#byNode.keys();
  }

  /** Promises a node, in place of an earlier promise. `victims`: who makes room there; by default those who did for an earlier promise of the same node. */
  set(pod: PodInfo, nodeName: string, victims?: readonly PodInfo[]): void {
    const before = this.#byPod.get(pod.uid);
    this.delete(pod.uid);
    const kept = before?.nodeName === nodeName ? before.victims : nobody;
    this.#byPod.set(pod.uid, { pod, nodeName, victims: victims ?? kept });
    this.#byNode.set(nodeName, [...(this.#byNode.get(nodeName) ?? []), pod]);
    this.changes.push(nodeName);
  }

  delete(uid: string): void {
    const known = this.#byPod.get(uid);
    if (known === undefined) return;
    this.#byPod.delete(uid);
    const others = (this.#byNode.get(known.nodeName) ?? []).filter((pod) => pod.uid !== uid);
    if (others.length === 0) this.#byNode.delete(known.nodeName);
    else this.#byNode.set(known.nodeName, others);
    this.changes.push(known.nodeName);
  }

  /** The node promised to a pod. */
  nodeOf(uid: string): string | undefined {
    return this.#byPod.get(uid)?.nodeName;
  }

  /** Whether all those who were to make room for a pod have left the node that was promised to it. */
  isRoomMade(uid: string, cluster: Pick<ClusterView, 'node'>): boolean {
    const { nodeName = '', victims = nobody } = this.#byPod.get(uid) ?? {};
    const node = victims.length === 0 ? undefined : cluster.node(nodeName);
    return node !== undefined && !victims.some((victim) => node.pods.has(victim.uid));
  }

  /**
   * Takes over what a refused pod may expect: a node; `''` for none; absent for what it was promised before. Who was refused though room was made waits for nobody any
   * more, lest it be tried again and again.
   */
  refused(pod: PodInfo, { nominatedNodeName, victims }: Expectation, cluster: Pick<ClusterView, 'node'>): void {
    if (nominatedNodeName === '') this.delete(pod.uid);
    else if (nominatedNodeName !== undefined) this.set(pod, nominatedNodeName, victims);
    else if (this.isRoomMade(pod.uid, cluster)) this.set(pod, this.nodeOf(pod.uid) ?? '', nobody);
  }

  /** All pods that were promised a node. */
  on(nodeName: string): readonly PodInfo[] {
    return this.#byNode.get(nodeName) ?? nobody;
  }

  /** The pods that `pod` must leave room for on a node: those of at least its priority. Mostly all, which is the same list until one comes or goes. */
  ahead(pod: PodInfo, nodeName: string): readonly PodInfo[] {
    const pods = this.on(nodeName);
    if (pods.length === 0) return pods;
    const isAhead = (other: PodInfo): boolean => other.uid !== pod.uid && other.priority >= pod.priority;
    return pods.every(isAhead) ? pods : pods.filter(isAhead);
  }

  /** The pods of lower priority than `pod` that were promised this node. */
  behind(pod: PodInfo, nodeName: string): readonly PodInfo[] {
    return this.on(nodeName).filter((other) => other.uid !== pod.uid && other.priority < pod.priority);
  }
}
