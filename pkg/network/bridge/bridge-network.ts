/**
 * The bridge pod network of one node: each pod has a namespace of its own, joined to the node's bridge by a pair of links. Needs root. What is where
 * is in `places.ts`.
 *
 * Invariant: pods of a node speak to each other through the node, never past it: a pod's only neighbour is the node's address, and the bridge does
 * not carry frames between its ports. So policies and Services see all of a pod's traffic, and a pod that reaches itself through its Service needs
 * nothing special of the bridge.
 * Upstream counterpart: CNI plugins `bridge` and `host-local`.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { hostCommand, tryHostCommand } from '../host/host-command.ts';
import { type NetworkSandbox, type PodNetwork, PodNetworkError } from '../pod-network.ts';
import { AddressPool } from './address-pool.ts';
import { batch } from './cluster-links.ts';
import type { PodLinks } from './node-links.ts';
import { podLink } from './places.ts';

/** What its pods are plugged into, and what they are. */
export interface BridgeNetworkOptions {
  /** Those of a cluster are to be there (`ensureClusterLinks`). */
  readonly links: PodLinks;
  /** Pods that run nothing have addresses that lead nowhere. */
  readonly isSimulated?: boolean;
}

/** A pod network on a bridge. */
export function createBridgeNetwork(options: BridgeNetworkOptions): PodNetwork {
  return new BridgeNetwork(options);
}

interface Attachment {
  readonly addresses: readonly string[];
  /** Namespace to which the link was made; absent while there is none. */
  namespacePath?: string;
}

class BridgeNetwork implements PodNetwork {
  readonly kind = 'bridge';
  podCidrs: readonly string[] = [];
  readonly #options: BridgeNetworkOptions;
  readonly #namespace: string | undefined;
  #pools: readonly AddressPool[] = [];
  readonly #byOwner = new Map<string, Attachment>();
  /** Resolves when the node's links are there with the ranges of now. */
  #ready: Promise<void> | undefined;

  constructor(options: BridgeNetworkOptions) {
    this.#options = options;
    this.#namespace = options.links.namespace;
  }

  configure(podCidrs: readonly string[]): void {
    if (podCidrs.join() === this.podCidrs.join() && podCidrs.length > 0) return;
    const pools = poolsOf(podCidrs);
    if (this.#pools.some((pool) => pool.isUsed)) {
      throw new PodNetworkError(
        `Cannot change the pod range to ${podCidrs.join()} as pods use addresses of ${this.podCidrs.join()}`,
      );
    }
    this.#pools = pools;
    this.podCidrs = podCidrs;
    this.#ready = undefined;
  }

  async attach({ owner, namespacePath: pod }: NetworkSandbox, signal?: AbortSignal): Promise<readonly string[]> {
    if (this.#pools.length === 0)
      throw new PodNetworkError('Cannot allocate an address as the node has no pod range yet');
    if (this.#options.isSimulated === true) return this.#addressesOf(owner).addresses;
    if (pod === undefined)
      throw new PodNetworkError('Cannot connect the pod as its runtime gives it no network namespace');
    signal?.throwIfAborted();
    const attachment = this.#addressesOf(owner);
    if (attachment.namespacePath === pod) return attachment.addresses;
    try {
      await this.#makeReady();
      await this.#connect(owner, attachment, pod);
    } catch (error) {
      await this.detach(owner);
      throw new PodNetworkError(`Cannot connect the pod as ${errorText(error)}`);
    }
    if (this.#byOwner.get(owner) !== attachment || signal?.aborted === true) {
      // It was let go of meanwhile.
      if (this.#byOwner.get(owner) === attachment) await this.detach(owner);
      else await this.#disconnect(owner);
      throw new PodNetworkError('Cannot connect the pod as it ends');
    }
    attachment.namespacePath = pod;
    return attachment.addresses;
  }

  async detach(owner: string): Promise<void> {
    const attachment = this.#byOwner.get(owner);
    if (attachment === undefined) return;
    this.#byOwner.delete(owner);
    if (this.#options.isSimulated !== true) await this.#disconnect(owner);
    if (this.#byOwner.has(owner)) return;
    for (const address of attachment.addresses) for (const pool of this.#pools) pool.giveBack(address);
  }

  recover(owner: string, addresses: readonly string[]): boolean {
    const known = this.#byOwner.get(owner);
    if (known !== undefined) return known.addresses.join() === addresses.join();
    if (addresses.length === 0) return false;
    const marked: string[] = [];
    for (const address of addresses) {
      if (this.#pools.some((pool) => pool.mark(address, owner))) {
        marked.push(address);
        continue;
      }
      for (const one of marked) for (const pool of this.#pools) pool.giveBack(one);
      return false;
    }
    this.#byOwner.set(owner, { addresses });
    return true;
  }

  #addressesOf(owner: string): Attachment {
    const attachment = this.#byOwner.get(owner) ?? { addresses: this.#take(owner) };
    this.#byOwner.set(owner, attachment);
    return attachment;
  }

  #take(owner: string): readonly string[] {
    const taken: string[] = [];
    for (const pool of this.#pools) {
      const address = pool.take(owner);
      if (address === undefined) {
        for (const one of taken) for (const other of this.#pools) other.giveBack(one);
        throw new PodNetworkError(
          `Cannot allocate an address as no IP addresses are available in range set: ${this.podCidrs.join()}`,
        );
      }
      taken.push(address);
    }
    return taken;
  }

  async #makeReady(): Promise<void> {
    const { links } = this.#options;
    this.#ready ??= links.ensure().then(() => links.route(this.#pools));
    const ready = this.#ready;
    try {
      await ready;
    } catch (error) {
      // Tried again by the next pod.
      if (this.#ready === ready) this.#ready = undefined;
      throw error;
    }
  }

  async #connect(owner: string, { addresses }: Attachment, pod: string): Promise<void> {
    const link = podLink(owner);
    const there = await tryHostCommand(['ip', '-o', 'addr', 'show', 'dev', 'eth0'], { namespace: pod });
    // A sandbox from before a restart has its link.
    if (there.code === 0 && addresses.every((address) => there.stdout.includes(` ${address}/`))) return;
    await this.#disconnect(owner);
    await batch(this.#namespace, [
      `link add ${link} type veth peer name eth0 netns ${pod}`,
      `link set ${link} master ${this.#options.links.bridge} up`,
      `link set ${link} type bridge_slave isolated on`,
    ]);
    await batch(pod, [
      'link set lo up',
      ...addresses.flatMap((address) => this.#addressCommands(address)),
      ...this.#routes(),
    ]);
  }

  #addressCommands(address: string): readonly string[] {
    return address.includes(':') ? [`addr add ${address}/128 dev eth0 nodad`] : [`addr add ${address}/32 dev eth0`];
  }

  #routes(): readonly string[] {
    return [
      'link set eth0 up',
      ...this.#pools.flatMap(({ gateway }) => [
        `route add ${gateway} dev eth0`,
        `route add default via ${gateway} dev eth0`,
      ]),
    ];
  }

  /** The link goes with the pod's namespace too, so that it may be gone. */
  async #disconnect(owner: string): Promise<void> {
    const link = podLink(owner);
    const gone = await tryHostCommand(['ip', 'link', 'delete', link], { namespace: this.#namespace });
    if (gone.code === 0) return;
    const isThere = await tryHostCommand(['ip', 'link', 'show', link], { namespace: this.#namespace });
    if (isThere.code === 0) await hostCommand(['ip', 'link', 'delete', link], { namespace: this.#namespace });
  }
}

/** At most one range of each family. */
function poolsOf(podCidrs: readonly string[]): readonly AddressPool[] {
  const pools = podCidrs.map((cidr) => {
    try {
      return new AddressPool(cidr);
    } catch (error) {
      throw new PodNetworkError(`Cannot use pod range ${cidr} as ${errorText(error)}`);
    }
  });
  if (pools.length === 0 || new Set(pools.map(({ family }) => family)).size < pools.length)
    throw new PodNetworkError(
      `Cannot use pod ranges ${podCidrs.join(' and ')} as there is to be one of each family at most`,
    );
  if (pools.some(({ cidr, family }) => family === 4 && cidr.startsWith('127.')))
    throw new PodNetworkError(`Cannot use pod range ${podCidrs.join()} as 127.0.0.0/8 never leaves a namespace`);
  return pools;
}
