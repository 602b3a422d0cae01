/**
 * Pods that were promised a node once its victims are gone. Others of lower priority must not take that room meanwhile.
 * Upstream counterpart: kube-scheduler `backend/queue/nominator.go`.
 */
import type { PodInfo } from '../model/pod-info.ts';

/** The promises of one scheduler. */
export class Nominator {
  readonly #byPod = new Map<string, { readonly pod: PodInfo; readonly nodeName: string }>();
  readonly #byNode = new Map<string, Map<string, PodInfo>>();

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
    let pods = this.#byNode.get(nodeName);
    if (pods === undefined) {
      pods = new Map();
      this.#byNode.set(nodeName, pods);
    }
    pods.set(pod.uid, pod);
  }

  delete(uid: string): void {
    const known = this.#byPod.get(uid);
    if (known === undefined) return;
    this.#byPod.delete(uid);
    const pods = this.#byNode.get(known.nodeName);
    pods?.delete(uid);
    if (pods?.size === 0) this.#byNode.delete(known.nodeName);
  }

  /** The node promised to a pod. */
  nodeOf(uid: string): string | undefined {
    return this.#byPod.get(uid)?.nodeName;
  }

  /** The pods that `pod` must leave room for on a node: those of at least its priority. */
  ahead(pod: PodInfo, nodeName: string): readonly PodInfo[] {
    const pods = this.#byNode.get(nodeName);
    if (pods === undefined) return [];
    return [...pods.values()].filter((other) => other.uid !== pod.uid && other.priority >= pod.priority);
  }

  /** The pods of lower priority than `pod` that were promised this node. */
  behind(pod: PodInfo, nodeName: string): readonly PodInfo[] {
    const pods = this.#byNode.get(nodeName);
    if (pods === undefined) return [];
    return [...pods.values()].filter((other) => other.uid !== pod.uid && other.priority < pod.priority);
  }
}
