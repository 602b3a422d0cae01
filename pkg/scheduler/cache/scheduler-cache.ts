/**
 * What the scheduler believes: the nodes and which pods take their resources. A pod that was given a node counts there at once
 * (assumed), before the API server has answered and the watch has shown it; the watch then confirms it, or the binding's failure or the
 * expiry takes it back.
 *
 * Invariants: a pod is on at most one node; `#assumed` holds only pods that are on a node; a confirmed pod is never assumed again.
 * Upstream counterpart: kube-scheduler `backend/cache`.
 */

import type { Node } from '#pkg/api/types/core-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { NodeInfo } from '../model/node-info.ts';
import type { PodInfo } from '../model/pod-info.ts';
import { NodeTable } from './node-table.ts';

/** How long a bound pod may stay unseen in the watch before its place is given up: longer than any reconnect of an informer. */
export const assumedPodExpiryMs = 15 * 60_000;

interface Assumed {
  /** Undefined while the binding is under way, which has its own end. */
  boundMs: number | undefined;
}

/** The belief of one scheduler. */
export class SchedulerCache {
  readonly table = new NodeTable();
  readonly #nodes = new Map<string, NodeInfo>();
  /** The node each pod is on, by uid. */
  readonly #nodeOfPod = new Map<string, string>();
  readonly #assumed = new Map<string, Assumed>();
  readonly #clock: Clock;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  setNode(node: Node): void {
    const name = node.metadata?.name ?? '';
    const info = this.#info(name);
    info.setNode(node);
    this.table.put(info);
  }

  /** The pods of a removed node stay known, as its name may come back. */
  removeNode(name: string): void {
    const info = this.#nodes.get(name);
    if (info === undefined) return;
    info.setNode(undefined);
    this.table.remove(name);
    if (info.pods.size === 0) this.#nodes.delete(name);
  }

  /** Counts a pod on a node from now on, though the API server does not know of it yet. */
  assume(pod: PodInfo, nodeName: string): void {
    this.#place(pod, nodeName);
    this.#assumed.set(pod.uid, { boundMs: undefined });
  }

  /** The binding of an assumed pod was accepted: its expiry runs from now. */
  finishBinding(uid: string): void {
    const assumed = this.#assumed.get(uid);
    if (assumed !== undefined) assumed.boundMs = this.#clock.monotonicMs();
  }

  /** Takes an assumed pod back; false when it was not assumed (any more). */
  forget(uid: string): boolean {
    if (!this.#assumed.has(uid)) return false;
    this.removePod(uid);
    return true;
  }

  /** Takes a pod from its node for a trial. What is returned puts it back as it was, which has to happen before anything else is told. */
  lift(uid: string): () => void {
    const nodeName = this.#nodeOfPod.get(uid) ?? '';
    const pod = this.#nodes.get(nodeName)?.pods.get(uid);
    if (pod === undefined) return () => undefined;
    const assumed = this.#assumed.get(uid);
    this.removePod(uid);
    return () => {
      this.#place(pod, nodeName);
      if (assumed !== undefined) this.#assumed.set(uid, assumed);
    };
  }

  isAssumed(uid: string): boolean {
    return this.#assumed.has(uid);
  }

  /** A pod that the API server says is on a node: new, changed, or the confirmation of an assumed one. */
  setPod(pod: PodInfo, nodeName: string): void {
    const before = this.#assumed.delete(pod.uid) ? this.#nodes.get(nodeName)?.pods.get(pod.uid) : undefined;
    if (before !== undefined && countsAs(pod, before)) this.#info(nodeName).addPod(pod);
    else this.#place(pod, nodeName);
  }

  /** Removes a pod; does nothing when it is on no node. */
  removePod(uid: string): void {
    this.#assumed.delete(uid);
    const nodeName = this.#nodeOfPod.get(uid);
    if (nodeName === undefined) return;
    this.#nodeOfPod.delete(uid);
    const info = this.#nodes.get(nodeName);
    if (info === undefined) return;
    info.removePod(uid);
    this.table.touch(nodeName);
    if (info.pods.size === 0 && info.node === undefined) this.#nodes.delete(nodeName);
  }

  /** Gives up assumed pods that were bound too long ago without being seen, and returns their uids. */
  expire(): readonly string[] {
    const beforeMs = this.#clock.monotonicMs() - assumedPodExpiryMs;
    const expired: string[] = [];
    for (const [uid, { boundMs }] of this.#assumed) if (boundMs !== undefined && boundMs <= beforeMs) expired.push(uid);
    for (const uid of expired) this.removePod(uid);
    return expired;
  }

  #place(pod: PodInfo, nodeName: string): void {
    const previous = this.#nodeOfPod.get(pod.uid);
    if (previous !== undefined && previous !== nodeName) this.removePod(pod.uid);
    this.#nodeOfPod.set(pod.uid, nodeName);
    this.#info(nodeName).addPod(pod);
    this.table.touch(nodeName);
  }

  #info(name: string): NodeInfo {
    let info = this.#nodes.get(name);
    if (info === undefined) {
      info = new NodeInfo(name);
      this.#nodes.set(name, info);
    }
    return info;
  }
}

/** Whether a pod that was assumed is what it was assumed to be, so that on its node nothing has changed. */
function countsAs(pod: PodInfo, assumed: PodInfo): boolean {
  return (
    pod.priority === assumed.priority &&
    pod.requests.scalars === assumed.requests.scalars &&
    deepEqual(pod.requests, assumed.requests) &&
    deepEqual(pod.nonZero, assumed.nonZero) &&
    deepEqual(pod.pod.metadata?.labels, assumed.pod.metadata?.labels) &&
    pod.pod.metadata?.deletionTimestamp === assumed.pod.metadata?.deletionTimestamp
  );
}
