/**
 * The loopback pod network: every pod has an address of its own in 127/8, which Linux answers on without any set-up, so that
 * programs listen on it and plain clients on the machine reach them. Touches nothing itself, so virtual time uses it too.
 *
 * The first address of a range names the range, the second is kept for the node, the last for broadcast.
 */
import { formatIpv4, type Ipv4Range, parseIpv4, parseIpv4Range } from '../../apimachinery/ipv4-range.ts';
import { type NetworkSandbox, type PodNetwork, PodNetworkError } from '../pod-network.ts';

/** Addresses at the start of a range that no pod gets. */
const reservedLow = 2;

/** Smallest range that has room for a pod beside the reserved addresses: /30. */
const prefixBitsMax = 30;

/** What is known of the network before the node says more. */
export interface LoopbackNetworkOptions {
  /** The node's range when it is known beforehand. */
  readonly podCidr?: string;
}

/** A pod network on the loopback interface. */
export function createLoopbackNetwork(options: LoopbackNetworkOptions = {}): PodNetwork {
  const network = new LoopbackNetwork();
  if (options.podCidr !== undefined) network.configure([options.podCidr]);
  return network;
}

class LoopbackNetwork implements PodNetwork {
  readonly kind = 'loopback';
  readonly limitsBandwidth = false;
  podCidrs: readonly string[] = [];
  #range: Ipv4Range | undefined;
  /** Where the search for a free address goes on, so that a released one rests as long as possible. */
  #cursor = reservedLow;
  readonly #byOwner = new Map<string, number>();
  readonly #used = new Set<number>();

  configure(podCidrs: readonly string[]): void {
    const [podCidr = '', ...others] = podCidrs;
    if (podCidr === this.podCidrs[0] && others.length === 0) return;
    if (others.length > 0) {
      throw new PodNetworkError(
        `Cannot use pod ranges ${podCidrs.join(' and ')} as the loopback network serves one range in 127.0.0.0/8`,
      );
    }
    const range = parseIpv4Range(podCidr);
    if (range === undefined || range.prefixBits > prefixBitsMax || range.base >>> 24 !== 127) {
      throw new PodNetworkError(
        `Cannot use pod range ${podCidr} as the loopback network serves ranges in 127.0.0.0/8 up to /${prefixBitsMax}`,
      );
    }
    if (this.#range !== undefined && this.#used.size > 0) {
      throw new PodNetworkError(
        `Cannot change the pod range to ${podCidr} as pods use addresses of ${this.podCidrs.join()}`,
      );
    }
    this.#range = range;
    this.#cursor = reservedLow;
    this.podCidrs = [podCidr];
  }

  async attach({ owner }: NetworkSandbox): Promise<readonly string[]> {
    return [this.#allocate(owner)];
  }

  async detach(owner: string): Promise<void> {
    const address = this.#byOwner.get(owner);
    if (address === undefined) return;
    this.#byOwner.delete(owner);
    this.#used.delete(address);
  }

  #allocate(owner: string): string {
    const known = this.#byOwner.get(owner);
    if (known !== undefined) return formatIpv4(known);
    const range = this.#range;
    if (range === undefined) throw new PodNetworkError('Cannot allocate an address as the node has no pod range yet');
    const last = range.size - 2;
    for (let tried = reservedLow; tried <= last; tried++) {
      const address = range.base + this.#cursor;
      this.#cursor = this.#cursor >= last ? reservedLow : this.#cursor + 1;
      if (this.#used.has(address)) continue;
      this.#take(owner, address);
      return formatIpv4(address);
    }
    throw new PodNetworkError(
      `Cannot allocate an address as no IP addresses are available in range set: ${this.podCidrs.join()}`,
    );
  }

  recover(owner: string, addresses: readonly string[]): boolean {
    const [text = '', ...others] = addresses;
    const address = others.length > 0 ? undefined : parseIpv4(text);
    const range = this.#range;
    if (address === undefined || range === undefined) return false;
    const offset = address - range.base;
    if (offset < reservedLow || offset > range.size - 2) return false;
    const mine = this.#byOwner.get(owner);
    if (mine !== undefined) return mine === address;
    if (this.#used.has(address)) return false;
    this.#take(owner, address);
    return true;
  }

  #take(owner: string, address: number): void {
    this.#byOwner.set(owner, address);
    this.#used.add(address);
  }
}
