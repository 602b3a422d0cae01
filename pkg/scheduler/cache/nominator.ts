/**
 * Pods that were promised a node once its victims are gone. Others of lower priority must not take that room meanwhile.
 * Upstream counterpart: kube-scheduler `backend/queue/nominator.go`.
 */
import type { PodInfo } from '../model/pod-info.ts';

const nobody: readonly PodInfo[] = [];

/** The promises of one scheduler. */
export class Nominator {
  readonly #byPod = new Map<string, { readonly pod: PodInfo; readonly nodeName: string }>();
  /** Each list is replaced, never changed. */
  readonly #byNode = new Map<string, readonly PodInfo[]>();

  get isEmpty(): boolean {
    return this.#byPod.size === 0;
  }

  /** The nodes that were promised to someone; nearly always none. */
  nodeNames(): Iterable<string> {
    return this.#byNode.keys();
  }

  /** Promises a node, in place of an earlier promise. */
  set(pod: PodInfo, nodeName: string): void {
    this.delete(pod.uid);
    this.#byPod.set(pod.uid, { pod, nodeName });
    this.#byNode.set(nodeName, [...(this.#byNode.get(nodeName) ?? []), pod]);
  }

  delete(uid: string): void {
    const known = this.#byPod.get(uid);
    if (known === undefined) return;
    this.#byPod.delete(uid);
    const others = (this.#byNode.get(known.nodeName) ?? []).filter((pod) => pod.uid !== uid);
    if (others.length === 0) this.#byNode.delete(known.nodeName);
    else this.#byNode.set(known.nodeName, others);
  }

  /** The node promised to a pod. */
  nodeOf(uid: string): string | undefined {
    return this.#byPod.get(uid)?.nodeName;
  }

  /** The pods that `pod` must leave room for on a node: those of at least its priority. Mostly all, which is the same list until one comes or goes. */
  ahead(pod: PodInfo, nodeName: string): readonly PodInfo[] {
    const pods = this.#byNode.get(nodeName) ?? nobody;
    const isAhead = (other: PodInfo): boolean => other.uid !== pod.uid && other.priority >= pod.priority;
    return pods.every(isAhead) ? pods : pods.filter(isAhead);
  }

  /** The pods of lower priority than `pod` that were promised this node. */
  behind(pod: PodInfo, nodeName: string): readonly PodInfo[] {
    const pods = this.#byNode.get(nodeName) ?? nobody;
    return pods.filter((other) => other.uid !== pod.uid && other.priority < pod.priority);
  }
}
