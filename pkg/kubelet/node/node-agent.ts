/**
 * The node itself in the API: registers it, keeps its status true (every five minutes, at once when it changes, and within ten seconds where
 * somebody else has changed it) and renews its lease. The lease is what says the node is alive: one small write every ten seconds and nothing else while nothing changes.
 * Source: kubelet `kubelet_node_status.go`, `component-helpers` `lease`.
 */
import type { Lease } from '#pkg/api/types/coordination-v1.ts';
import type { Node, NodeStatus } from '#pkg/api/types/core-v1.ts';
import { leases, nodes } from '#pkg/api/types/refs.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { repeat, sleep } from '#pkg/base/async.ts';
import { type Clock, formatMicroTime } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import {
  changedNodeStatus,
  type NodeFacts,
  nodeLabels,
  nodeStatus,
  statusDiffers,
  statusEvents,
} from './node-status.ts';

const leaseNamespace = 'kube-node-lease';
/** How long a renewal counts unless something else was said. Source: kubelet `nodeLeaseDurationSeconds`. */
export const leaseSecondsDefault = 40;
/** Renewals in the time that a lease counts. Source: kubelet `nodeLeaseRenewIntervalFraction`. */
const renewalsPerLease = 4;
/** How often a lease is renewed of which a renewal counts for `leaseSeconds`. */
export const renewalMsOf = (leaseSeconds: number): number => (leaseSeconds * 1_000) / renewalsPerLease;
/** Tries to renew within one period, and the time between them. */
const renewTries = 5;
const renewRetryMs = 1_000;
/** A status is written this often although nothing has changed. Source: kubelet `nodeStatusReportFrequency`. */
const statusMs = 300_000;
/** What the API says of the node is put right at most this often, and this soon. Source: kubelet `nodeStatusUpdateFrequency`. */
const correctMs = 10_000;
/** Time to the next try of a registration or status that failed. */
const retryMsMin = 200;
const retryMsMax = 7_000;

/** Which node, and what it has to say. */
export interface NodeAgentDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  /**
   * How long a renewal counts. Default 40. Where it is renewed more seldom than a status is written although nothing has changed, that is as seldom: it says no more.
   * Source: kubelet `nodeLeaseDurationSeconds`.
   */
  readonly leaseSeconds?: number | undefined;
  /** Registered with the node when it is new. */
  readonly podCidr: string | undefined;
  facts(): NodeFacts;
  /** Records an event about the node. */
  record(event: { readonly reason: string; readonly message: string }): void;
}

/** The agent of one node. */
export class NodeAgent {
  readonly #deps: NodeAgentDeps;
  readonly #leases: ResourceClient<Lease>;
  #node: Node | undefined;
  #lease: Lease | undefined;
  /** The node was made just now: it has no lease, unless one of before is left. */
  #isLeaseNew = false;
  #wake: (() => void) | undefined;
  #changed = false;
  /** What the API has is what this agent has just made it. */
  #isMade = false;
  /** The API has said something else of the node than its kubelet. */
  #isDoubted = false;
  #isUnschedulable = false;

  constructor(deps: NodeAgentDeps) {
    this.#deps = deps;
    this.#leases = deps.client.resource(leases);
  }

  /** The node as last seen. */
  get node(): Node | undefined {
    return this.#node;
  }

  /** The node has changed in the API. */
  observed(node: Node): void {
    const before = this.#node?.status;
    this.#node = node;
    const isUnschedulable = node.spec?.unschedulable === true;
    if (isUnschedulable !== this.#isUnschedulable)
      this.#tell(isUnschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable');
    this.#isUnschedulable = isUnschedulable;
    if (this.#isDoubted || node.status === before || !this.#differs()) return;
    this.#isDoubted = true;
    this.#wake?.();
  }

  /** Something that the status speaks of has changed: it is written soon. */
  statusChanged(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Registers the node; tries until it succeeds or `signal` is aborted. */
  async register(signal: AbortSignal): Promise<void> {
    let retryMs = retryMsMin;
    while (!signal.aborted) {
      try {
        await this.#registerOnce();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.log.warn('Node not registered, will try again', { node: this.#deps.nodeName, error });
        await sleep(this.#deps.clock, retryMs, signal);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
    }
  }

  /** Keeps status and lease until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      repeat(this.#deps.clock, { periodMs: () => this.#renewMs, signal }, () => this.#renew(signal)),
      this.#keepStatus(signal),
    ]);
  }

  get #renewMs(): number {
    return renewalMsOf(this.#deps.leaseSeconds ?? leaseSecondsDefault);
  }

  async #registerOnce(): Promise<void> {
    const facts = this.#deps.facts();
    const api = this.#deps.client.resource(nodes);
    const labels = nodeLabels(facts);
    const status = nodeStatus(facts, undefined, this.#deps.clock.nowMs());
    try {
      const { podCidr } = this.#deps;
      this.#node = await api.create({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: facts.name, labels },
        spec: {
          ...(podCidr === undefined ? {} : { podCIDR: podCidr, podCIDRs: [podCidr] }),
          ...(facts.taints.length === 0 ? {} : { taints: facts.taints }),
        },
        status,
      });
      this.#isMade = true;
      this.#isLeaseNew = true;
      this.#tellOf(undefined, status);
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    this.#node = await api.get(facts.name);
    const current: Readonly<Record<string, string>> = this.#node.metadata?.labels ?? {};
    const stale = Object.entries(labels).filter(([key, value]) => current[key] !== value);
    if (stale.length === 0) return;
    const patch: JsonObject = { metadata: { labels: Object.fromEntries(stale) } };
    this.#node = await api.patch(facts.name, patch, { type: 'strategic' });
  }

  async #keepStatus(signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    let retryMs = retryMsMin;
    while (!signal.aborted) {
      this.#changed = false;
      this.#isDoubted = false;
      let delayMs = Math.max(statusMs, this.#renewMs);
      try {
        // What a node came with is its status: the next one that differs is written at once, and not after one that says the same.
        if (!this.#isMade || this.#differs()) await this.#writeStatus();
        this.#isMade = false;
        retryMs = retryMsMin;
      } catch (error) {
        if (signal.aborted) return;
        if (isNotFound(error)) await this.register(signal);
        else log.warn('Node status not written, will try again', { node: this.#deps.nodeName, error });
        delayMs = retryMs;
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
      await this.#sleepUntilDue(delayMs, signal);
    }
  }

  #differs(): boolean {
    const known = this.#node?.status;
    return statusDiffers(known, nodeStatus(this.#deps.facts(), known, this.#deps.clock.nowMs()));
  }

  /** Until the status has changed, the API has to be put right, or a time has passed. */
  async #sleepUntilDue(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    while (!signal.aborted && !this.#changed) {
      const dueMs = this.#isDoubted ? Math.min(delayMs, correctMs) : delayMs;
      const leftMs = beganMs + dueMs - clock.monotonicMs();
      if (leftMs > 0) await this.#sleepUntilWoken(leftMs, signal);
      // What looked wrong may have been an answer on its way.
      else if (dueMs === delayMs || this.#differs()) return;
      else this.#isDoubted = false;
    }
  }

  #sleepUntilWoken(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = this.#deps.clock.setTimeout(done, delayMs);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
      if (signal.aborted) done();
    });
  }

  async #writeStatus(): Promise<void> {
    const facts = this.#deps.facts();
    const before: NodeStatus | undefined = this.#node?.status;
    const status = nodeStatus(facts, before, this.#deps.clock.nowMs());
    const patch = { status: changedNodeStatus(before, status) };
    this.#node = await this.#deps.client
      .resource(nodes)
      .patch(facts.name, patch, { type: 'strategic', subresource: 'status' });
    this.#tellOf(before, status);
  }

  #tellOf(before: NodeStatus | undefined, after: NodeStatus): void {
    for (const reason of statusEvents(before, after)) this.#tell(reason);
  }

  #tell(reason: string): void {
    this.#deps.record({ reason, message: `Node ${this.#deps.nodeName} status is now: ${reason}` });
  }

  async #renew(signal: AbortSignal): Promise<void> {
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        this.#lease = await this.#renewOnce();
        return;
      } catch (error) {
        this.#lease = undefined;
        if (signal.aborted) return;
        const again = isConflict(error) || isAlreadyExists(error);
        if (!again) this.#deps.log.warn('Node lease not renewed', { node: this.#deps.nodeName, error });
        if (tries >= renewTries || !(await sleep(this.#deps.clock, again ? 0 : renewRetryMs, signal))) return;
      }
    }
  }

  #renewOnce(): Promise<Lease> {
    return this.#lease === undefined ? this.#takeLease() : this.#renewLease(this.#lease);
  }

  #renewLease(known: Lease): Promise<Lease> {
    const { holderIdentity, leaseDurationSeconds, renewTime } = this.#leaseSpec();
    // One spread is a copy, a second one goes from field to field.
    return this.#leases.update({ ...known, spec: { ...known.spec, holderIdentity, leaseDurationSeconds, renewTime } });
  }

  async #takeLease(): Promise<Lease> {
    const { name } = this.#deps.facts();
    // Where there is one after all, the next try looks for it.
    const isNew = this.#isLeaseNew;
    this.#isLeaseNew = false;
    const known = isNew ? undefined : await this.#findLease(name);
    if (known !== undefined) return this.#renewLease(known);
    const uid = this.#node?.metadata?.uid;
    return this.#leases.create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name,
        namespace: leaseNamespace,
        ...(uid === undefined ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }] }),
      },
      spec: this.#leaseSpec(),
    });
  }

  #leaseSpec(): NonNullable<Lease['spec']> {
    const renewTime = formatMicroTime(this.#deps.clock.nowMs());
    return {
      holderIdentity: this.#deps.nodeName,
      leaseDurationSeconds: this.#deps.leaseSeconds ?? leaseSecondsDefault,
      renewTime,
    };
  }

  async #findLease(name: string): Promise<Lease | undefined> {
    try {
      return await this.#leases.get(name, { namespace: leaseNamespace });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}
