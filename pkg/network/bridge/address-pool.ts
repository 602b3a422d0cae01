/**
 * The addresses of one range of a node, of either family, that pods have. Pure. One that was given back rests until the others were used.
 * The first address names the range, the second is the node's, and the last of a range of IPv4 is for broadcast.
 */
import { formatIp, type IpAddress, parseCidr, parseIp } from '#pkg/apimachinery/ip.ts';

/** Addresses at the start of a range that no pod gets. */
const reservedLow = 2n;

/** Addresses that are looked at for a free one: more than a node has pods, so that one is found if there is one in a range of that size. */
const triesMax = 70_000n;

/** One range. */
export class AddressPool {
  readonly cidr: string;
  readonly family: 4 | 6;
  /** The node's own address, through which pods reach everything. */
  readonly gateway: string;
  readonly prefixBits: number;
  readonly #base: bigint;
  /** The last that a pod can have. */
  readonly #last: bigint;
  #cursor = reservedLow;
  readonly #ownerOf = new Map<bigint, string>();

  /** Throws for what is no range, or one without room for a pod. */
  constructor(cidr: string) {
    const block = parseCidr(cidr);
    if (block === undefined) throw new RangeError(`${cidr} is no range`);
    const bits = BigInt(block.address.length * 8 - block.prefixBits);
    this.cidr = cidr;
    this.family = block.address.length === 4 ? 4 : 6;
    this.prefixBits = block.prefixBits;
    this.#base = (numberOf(block.address) >> bits) << bits;
    this.#last = (1n << bits) - (this.family === 4 ? 2n : 1n);
    if (this.#last < reservedLow) throw new RangeError(`${cidr} has no room for a pod`);
    this.gateway = this.#format(1n);
  }

  get isUsed(): boolean {
    return this.#ownerOf.size > 0;
  }

  /** An address for the owner; undefined when all are used. */
  take(owner: string): string | undefined {
    const count = this.#last - reservedLow + 1n;
    for (let tried = 0n; tried < count && tried < triesMax; tried++) {
      const offset = this.#cursor;
      this.#cursor = offset >= this.#last ? reservedLow : offset + 1n;
      if (this.#ownerOf.has(offset)) continue;
      this.#ownerOf.set(offset, owner);
      return this.#format(offset);
    }
    return undefined;
  }

  /** Marks an address as the owner's; false where it is another's or not one of these. */
  mark(address: string, owner: string): boolean {
    const offset = this.#offsetOf(address);
    if (offset === undefined || offset < reservedLow || offset > this.#last) return false;
    const known = this.#ownerOf.get(offset);
    if (known !== undefined) return known === owner;
    this.#ownerOf.set(offset, owner);
    return true;
  }

  giveBack(address: string): void {
    const offset = this.#offsetOf(address);
    if (offset !== undefined) this.#ownerOf.delete(offset);
  }

  #offsetOf(address: string): bigint | undefined {
    const bytes = parseIp(address);
    if (bytes === undefined || (bytes.length === 4) !== (this.family === 4)) return undefined;
    return numberOf(bytes) - this.#base;
  }

  #format(offset: bigint): string {
    const length = this.family === 4 ? 4 : 16;
    const number = this.#base + offset;
    return formatIp(
      Uint8Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 255n)),
    );
  }
}

function numberOf(address: IpAddress): bigint {
  return address.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
