/**
 * Feeds the graph: one list and watch for each resource whose objects can be deleted, as discovery finds them. Keeps no objects, only which
 * uids a resource has, so that a resource without objects costs a watch and nothing else. What other controllers watch anyway is watched from the
 * start; the rest follows a little later, out of the way of the start. Leases, renewed by every node every few seconds, are not watched: those of a node are
 * looked up when it goes.
 */

import {
  daemonSets,
  deployments,
  endpointSlices,
  jobs,
  pods,
  replicaSets,
  replicationControllers,
  services,
  statefulSets,
} from '#pkg/api/types/refs.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type DiscoveredResource, discoverResources, groupResource } from '#pkg/client/discovery.ts';
import { runReflector } from '#pkg/client/reflector.ts';
import type { ControllerContext } from '../common/controller.ts';
import { groupOf, type OwnerGraph } from './graph.ts';

/** Watched at once, without asking whether they are served: what the built-in controllers own and are owned by. */
const first: readonly ResourceRef[] = [
  pods,
  replicationControllers,
  replicaSets,
  deployments,
  daemonSets,
  statefulSets,
  jobs,
  services,
  endpointSlices,
];
/** Made in great numbers and owned by nobody, or changed all the time. */
const ignored: ReadonlySet<string> = new Set([
  'events',
  'events.events.k8s.io',
  'componentstatuses',
  'leases.coordination.k8s.io',
]);
const restDelayMs = 3_000;
/** How often discovery is asked for resources that came or went unnoticed. */
const rediscoverMs = 600_000;
/** How soon it is asked again when it did not answer, or not for all groups. */
const retryMs = 5_000;
/** Custom resources come and go with their definitions; what they serve is there a moment later. */
const definitionDelayMs = 1_000;
const definitions = 'customresourcedefinitions.apiextensions.k8s.io';
/** These watches are many and mostly silent: over a network they last longer than others. */
const watchSecondsMin = 1_800;

interface Monitor {
  readonly ref: ResourceRef;
  readonly feed: GraphFeed;
  readonly ended: Promise<void>;
  stop(): void;
}

/** The watches of one collector. */
export class Monitors {
  readonly #context: ControllerContext;
  readonly #graph: OwnerGraph;
  readonly #monitors = new Map<string, Monitor>();
  /** Resources by `group/Kind`, whether watched or not. */
  #kinds = new Map<string, ResourceRef>();
  #wake: (() => void) | undefined;
  /** Whether all that is to be watched is, and not only what is first. */
  #areAllFollowed = false;

  constructor(context: ControllerContext, graph: OwnerGraph) {
    this.#context = context;
    this.#graph = graph;
  }

  /** The resource of a kind; asks discovery again when it is not known. */
  async resourceOf(owner: { apiVersion: string; kind: string }, signal: AbortSignal): Promise<ResourceRef | undefined> {
    const key = `${groupOf(owner.apiVersion)}/${owner.kind}`;
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    await this.#discover(signal);
    return this.#kinds.get(key);
  }

  /** Whether the graph has every object that is watched: who is not in it was not there a moment ago. */
  get areSynced(): boolean {
    return this.#areAllFollowed && [...this.#monitors.values()].every(({ feed }) => feed.isSynced);
  }

  /** Watches until aborted; resolves when the last watch has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    for (const ref of first) this.#monitors.set(groupResource(ref), this.#start(ref, signal));
    await this.#wait(clock, restDelayMs, signal);
    while (!signal.aborted) {
      let waitMs = rediscoverMs;
      try {
        const { found, isComplete } = await this.#discover(signal);
        this.#follow(found, signal);
        this.#areAllFollowed = isComplete;
        if (!isComplete) waitMs = Math.min(waitMs, retryMs);
      } catch (error) {
        if (!signal.aborted) log.warn('Discovery for the garbage collector failed, trying again', { error });
        waitMs = Math.min(waitMs, retryMs);
      }
      await this.#wait(clock, waitMs, signal);
    }
    await Promise.all([...this.#monitors.values()].map((monitor) => monitor.ended));
  }

  /** Sleeps until it is time to ask discovery again, or shortly after a definition changed. */
  async #wait(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
    const { controller, dispose } = childSignal(signal);
    this.#wake = () => controller.abort();
    const isWoken = !(await sleep(clock, durationMs, controller.signal));
    this.#wake = undefined;
    dispose();
    if (isWoken) await sleep(clock, definitionDelayMs, signal);
  }

  async #discover(
    signal: AbortSignal,
  ): Promise<{ readonly found: readonly DiscoveredResource[]; readonly isComplete: boolean }> {
    const { resources, failures } = await discoverResources(this.#context.client, signal);
    // A group that does not answer now keeps what it had: its objects are not gone.
    const kinds = failures.length > 0 ? new Map(this.#kinds) : new Map<string, ResourceRef>();
    for (const { ref } of resources) kinds.set(`${ref.group}/${ref.kind}`, ref);
    this.#kinds = kinds;
    const found = resources.filter(
      ({ ref, verbs }) =>
        ['delete', 'list', 'watch'].every((verb) => verbs.includes(verb)) && !ignored.has(groupResource(ref)),
    );
    return { found, isComplete: failures.length === 0 };
  }

  /** Starts what is new and stops what is no longer served. */
  #follow(resources: readonly DiscoveredResource[], signal: AbortSignal): void {
    for (const [name, monitor] of this.#monitors) {
      if (this.#kinds.has(`${monitor.ref.group}/${monitor.ref.kind}`)) continue;
      monitor.stop();
      this.#monitors.delete(name);
    }
    for (const { ref } of resources) {
      const name = groupResource(ref);
      if (!this.#monitors.has(name)) this.#monitors.set(name, this.#start(ref, signal));
    }
  }

  #start(ref: ResourceRef, signal: AbortSignal): Monitor {
    const { client, clock, random, log } = this.#context;
    const { controller, dispose } = childSignal(signal);
    const changed = groupResource(ref) === definitions ? () => this.#wake?.() : undefined;
    const feed = new GraphFeed(this.#graph, { ref, changed });
    const { isLocal } = client.transport;
    const lasting = isLocal === true ? { isLocal } : { watchSecondsMin };
    const options = { resource: client.resource(ref), select: {}, sink: feed, clock, random, log, ...lasting };
    const ended = runReflector(options, controller.signal).finally(() => {
      // A resource that is served no more has no objects.
      if (!signal.aborted) feed.replace([]);
      dispose();
    });
    return { ref, feed, ended, stop: () => controller.abort() };
  }
}

/** One resource's part of the graph. */
class GraphFeed {
  readonly #graph: OwnerGraph;
  readonly #ref: ResourceRef;
  readonly #changed: (() => void) | undefined;
  readonly #uids = new Set<string>();
  #isSynced = false;

  /** `changed` is called after every change. */
  constructor(graph: OwnerGraph, of: { readonly ref: ResourceRef; readonly changed: (() => void) | undefined }) {
    this.#graph = graph;
    this.#ref = of.ref;
    this.#changed = of.changed;
  }

  /** Whether the resource was listed. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  replace(objects: readonly KubeObject[]): void {
    this.#isSynced = true;
    const now = new Set(objects.map((object) => object.metadata?.uid));
    for (const uid of [...this.#uids]) if (!now.has(uid)) this.#remove(uid);
    for (const object of objects) this.set(object);
  }

  set(object: KubeObject): void {
    const uid = object.metadata?.uid;
    if (uid === undefined) return;
    this.#uids.add(uid);
    this.#graph.observe(this.#ref, object);
    this.#changed?.();
  }

  delete(object: KubeObject): void {
    if (object.metadata?.uid !== undefined) this.#remove(object.metadata.uid);
  }

  #remove(uid: string): void {
    this.#uids.delete(uid);
    this.#graph.remove(uid);
    this.#changed?.();
  }
}
