/** The sandboxes of one pod: the one that its containers are in, with its addresses, and those that still hold something in the runtime. */

import { podBandwidth } from '#pkg/network/pod-bandwidth.ts';
import { PodNetworkError } from '#pkg/network/pod-network.ts';
import type { PodView } from '../model/pod-view.ts';
import type { ContainerResources } from '../runtime/container-config.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import { sandboxConfig } from './container-config.ts';
import { podDns } from './dns-config.ts';
import type { FoundPod, PodFacts } from './pod-facts.ts';

/** Time to the next try when there is none. */
const retryMs = 10_000;

/** The sandboxes of one pod. */
export class PodSandbox {
  readonly #facts: PodFacts;
  readonly #ids = new Set<string>();
  #current: PodView['sandbox'];
  /** Of the current one, in force. */
  #resources: ContainerResources = {};
  #attempts = 0;

  constructor(facts: PodFacts) {
    this.#facts = facts;
  }

  get current(): PodView['sandbox'] {
    return this.#current;
  }

  /** What the pod may use as a whole, in force. */
  get resources(): ContainerResources {
    return this.#resources;
  }

  /** How many were made so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Takes over what the runtime has. */
  recover(found: FoundPod | undefined): void {
    for (const { id, config, state, networkNamespace } of found?.sandboxes ?? []) {
      this.#ids.add(id);
      const { attempt } = config;
      this.#attempts = Math.max(this.#attempts, attempt + 1);
      if (state !== 'ready' || (this.#current !== undefined && attempt < this.#current.attempt)) continue;
      this.#resources = config.resources ?? {};
      this.#current = {
        id,
        addresses: found?.addresses ?? [],
        attempt,
        ...(networkNamespace === undefined ? {} : { networkNamespace }),
      };
    }
  }

  /** Makes one and connects it; returns when to try again if that failed. */
  async create(ending: AbortSignal): Promise<number | undefined> {
    const { context, pod, runtime } = this.#facts;
    let made: string | undefined;
    for (const message of context.names === undefined ? [] : podDns(pod, context.names).warnings)
      context.recorder.record(pod, { type: 'Warning', reason: 'DNSConfigForming', message });
    try {
      const sandbox = await runtime.sandboxes.run(sandboxConfig(context, pod, this.#attempts));
      const { id, networkNamespace, config } = sandbox;
      made = id;
      this.#ids.add(id);
      const place = { id, ...(networkNamespace === undefined ? {} : { networkNamespace }) };
      const addresses = await this.#addresses(place, ending);
      this.#current = { id, addresses, attempt: this.#attempts++ };
      this.#resources = config.resources ?? {};
      return undefined;
    } catch (error) {
      // One without an address is of no use to anybody.
      if (made !== undefined) {
        await runtime.sandboxes.remove(made);
        this.#ids.delete(made);
      }
      return this.#failed(error);
    }
  }

  /** Gives one from before the kubelet started its addresses, where nobody knows them any more; returns when to try again if that failed. */
  async attach(ending: AbortSignal): Promise<number | undefined> {
    const current = this.#current;
    if (current === undefined) return undefined;
    try {
      this.#current = { ...current, addresses: await this.#addresses(current, ending) };
      return undefined;
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** Gives the pod as a whole other limits, where the runtime keeps any. Rejects with `RuntimeError`. */
  async limit(resources: ContainerResources): Promise<void> {
    const { sandboxes } = this.#facts.runtime;
    if (this.#current === undefined || sandboxes.update === undefined) return;
    await sandboxes.update(this.#current.id, resources);
    this.#resources = resources;
  }

  /** Ends all that is in them; logs stay. */
  async stopAll(): Promise<void> {
    for (const id of this.#ids) await this.#facts.runtime.sandboxes.stop(id);
    if (this.#current !== undefined) this.#current = { ...this.#current, stopped: true };
  }

  /** Removes them, their containers and their logs from the runtime. */
  async removeAll(): Promise<void> {
    for (const id of this.#ids) await this.#facts.runtime.sandboxes.remove(id);
    this.#ids.clear();
  }

  async #addresses(
    { id, networkNamespace }: { readonly id: string; readonly networkNamespace?: string },
    ending: AbortSignal,
  ): Promise<readonly string[]> {
    const { context, pod, uid, runtime } = this.#facts;
    if (pod.spec?.hostNetwork === true) return context.hostIps;
    const namespacePath = networkNamespace === undefined ? {} : { namespacePath: networkNamespace };
    const bandwidth = podBandwidth(pod);
    const { network } = context;
    if (bandwidth === undefined) return network.attach({ owner: uid, id, ...namespacePath }, ending);
    const addresses = await network.attach({ owner: uid, id, ...namespacePath, bandwidth }, ending);
    if (!network.limitsBandwidth && !runtime.capabilities.features.has('bandwidth')) {
      const message = `The network ${network.kind} does not hold pods to a bandwidth`;
      context.recorder.record(pod, { type: 'Warning', reason: 'NotEnforced', message });
    }
    return addresses;
  }

  #failed(error: unknown): number {
    if (!(error instanceof RuntimeError || error instanceof PodNetworkError)) throw error;
    const { context, pod } = this.#facts;
    const message = `Failed to create pod sandbox: ${error.message}`;
    context.recorder.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message });
    return context.clock.nowMs() + retryMs;
  }
}
