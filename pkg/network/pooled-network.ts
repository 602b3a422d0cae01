/**
 * A pod network whose addresses are given out here, of the node's ranges, and whose pods are connected by something else (`PodWires`): what is about owners,
 * ranges and restarts is the same for all of these.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { AddressPool } from './bridge/address-pool.ts';
import { type NetworkSandbox, type PodBandwidth, type PodNetwork, PodNetworkError } from './pod-network.ts';

/** A pod to connect, or to take away. */
export interface WiredPod {
  readonly owner: string;
  readonly addresses: readonly string[];
  /** Path of the pod's namespace; absent where it is not known any more. */
  readonly namespacePath?: string;
  readonly bandwidth?: PodBandwidth | undefined;
}

/** What connects pods. */
export interface PodWires {
  /** Such as `bridge`. */
  readonly kind: string;
  /** Makes what all pods of the node need, for these ranges. Doing it again changes nothing. */
  ready(pools: readonly AddressPool[]): Promise<void>;
  /** Connects a pod, by addresses of these ranges; one that is connected already stays so. */
  connect(pod: WiredPod & { readonly namespacePath: string }, pools: readonly AddressPool[]): Promise<void>;
  /** Whether it holds them to their bandwidth; known once it is ready. */
  limitsBandwidth(): boolean;
  /** Takes its link away, if there is one. */
  disconnect(pod: WiredPod): Promise<void>;
}

/** By what its pods are connected, and what they are. */
export interface PooledNetworkOptions {
  readonly wires: PodWires;
  /** Pods that run nothing have addresses that lead nowhere. */
  readonly isSimulated?: boolean | undefined;
}

/** A pod network over wires. */
export function createPooledNetwork(options: PooledNetworkOptions): PodNetwork {
  return new PooledNetwork(options);
}

interface Attachment {
  readonly addresses: readonly string[];
  /** Namespace to which the link was made; absent while there is none. */
  namespacePath?: string;
}

class PooledNetwork implements PodNetwork {
  podCidrs: readonly string[] = [];
  readonly #options: PooledNetworkOptions;
  #pools: readonly AddressPool[] = [];
  readonly #byOwner = new Map<string, Attachment>();
  /** Resolves when the node's links are there with the ranges of now. */
  #ready: Promise<void> | undefined;

  constructor(options: PooledNetworkOptions) {
    this.#options = options;
  }

  get kind(): string {
    return this.#options.wires.kind;
  }

  get limitsBandwidth(): boolean {
    return this.#options.isSimulated === true || this.#options.wires.limitsBandwidth();
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

  async attach(
    { owner, namespacePath: pod, bandwidth }: NetworkSandbox,
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
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
      await this.#options.wires.connect({ owner, ...attachment, namespacePath: pod, bandwidth }, this.#pools);
    } catch (error) {
      // What cannot connect it may not be able to take it away either.
      await this.detach(owner).catch(() => this.#giveBack(attachment));
      throw new PodNetworkError(`Cannot connect the pod as ${errorText(error)}`);
    }
    if (this.#byOwner.get(owner) !== attachment || signal?.aborted === true) {
      // It was let go of meanwhile.
      if (this.#byOwner.get(owner) === attachment) await this.detach(owner);
      else await this.#options.wires.disconnect({ owner, ...attachment });
      throw new PodNetworkError('Cannot connect the pod as it ends');
    }
    attachment.namespacePath = pod;
    return attachment.addresses;
  }

  async detach(owner: string): Promise<void> {
    const attachment = this.#byOwner.get(owner);
    if (attachment === undefined) return;
    this.#byOwner.delete(owner);
    if (this.#options.isSimulated !== true) await this.#options.wires.disconnect({ owner, ...attachment });
    if (this.#byOwner.has(owner)) return;
    this.#giveBack(attachment);
  }

  #giveBack({ addresses }: Attachment): void {
    for (const address of addresses) for (const pool of this.#pools) pool.giveBack(address);
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
    this.#ready ??= this.#options.wires.ready(this.#pools);
    const ready = this.#ready;
    try {
      await ready;
    } catch (error) {
      // Tried again by the next pod.
      if (this.#ready === ready) this.#ready = undefined;
      throw error;
    }
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
