/**
 * A split virtqueue as its device sees it. Invariant: `next` reads only; nothing of a chain has happened before `finish`, which asks for all pages that it
 * writes first, so that MISSING_PAGE and NO_FRAME can be thrown at any time and the same be done again. A queue that lies (addresses outside memory, chains
 * longer than the queue) throws `BROKEN_QUEUE`. Source: VIRTIO 1.1, section 2.6.
 */
import type { GuestMemory } from '../../guest-memory.ts';
import type { Plain, PlainReader } from '../../plain-state.ts';

/** Thrown (this very value) by a queue whose driver broke the rules. */
export const BROKEN_QUEUE = Symbol('broken queue');

/** Descriptors at most in a queue. */
export const QUEUE_MAX = 256;

const NEXT = 1;
const WRITE = 2;
const NO_INTERRUPT = 1;

/** Bytes of the guest's memory. */
export interface Piece {
  readonly address: number;
  readonly length: number;
}

/** One request: what the device may read, and then what it may write. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Piece[];
  readonly writable: readonly Piece[];
}

/** Bytes of all pieces. */
export function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** One queue. */
export class Virtqueue {
  size = QUEUE_MAX;
  isReady = false;
  descriptors = 0;
  available = 0;
  used = 0;
  /** How many chains were taken, modulo 65,536, and how many given back. */
  taken = 0;
  returned = 0;
  private readonly memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  reset(): void {
    this.size = QUEUE_MAX;
    this.isReady = false;
    this.descriptors = this.available = this.used = this.taken = this.returned = 0;
  }

  /** The next chain, which stays next until `take`; undefined if there is none. */
  next(): Chain | undefined {
    if (!this.isReady || this.half(this.available + 2) === this.taken) return undefined;
    const head = this.half(this.available + 4 + 2 * (this.taken % this.size));
    const readable: Piece[] = [];
    const writable: Piece[] = [];
    let index = head;
    for (let count = 0; ; count++) {
      if (count === this.size || index >= this.size) throw BROKEN_QUEUE;
      const at = this.descriptors + 16 * index;
      // What does not fit into a number's exact range is beyond all memory as well.
      const piece = { address: this.word(at + 4) * 0x1_0000_0000 + this.word(at), length: this.word(at + 8) };
      const flags = this.half(at + 12);
      if (!this.memory.holds(piece.address, piece.length)) throw BROKEN_QUEUE;
      ((flags & WRITE) === 0 ? readable : writable).push(piece);
      if ((flags & NEXT) === 0) return { head, readable, writable };
      index = this.half(at + 14);
    }
  }

  /** The chain that `next` gave is under way. */
  take(): void {
    this.taken = (this.taken + 1) & 0xffff;
  }

  /** Writes an answer over the writable pieces and gives the chain back; `skip` bytes at their start stay as they are. True if the driver wants an interrupt. */
  finish(chain: Chain, answer: Uint8Array, skip = 0): boolean {
    const entry = this.used + 4 + 8 * (this.returned % this.size);
    this.need(this.used, 4 + 8 * this.size);
    for (const { address, length } of chain.writable) if (length > 0) this.memory.needOwn(address, length);
    const isWanted = (this.half(this.available) & NO_INTERRUPT) === 0;
    const written = this.scatter(chain.writable, answer, skip);
    this.put(entry, chain.head, 4);
    this.put(entry + 4, written, 4);
    this.returned = (this.returned + 1) & 0xffff;
    this.put(this.used + 2, this.returned, 2);
    return isWanted;
  }

  /** What the driver gave to read, at most `max` bytes of it, without the first `skip`. */
  gather(pieces: readonly Piece[], max: number, skip = 0): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(lengthOf(pieces), max) - skip));
    let at = -skip;
    for (const { address, length } of pieces) {
      const skipped = Math.min(length, Math.max(0, -at));
      const part = Math.min(length - skipped, bytes.length - (at + skipped));
      if (part > 0 && !this.memory.copyOutTo(bytes, at + skipped, { address: address + skipped, length: part }))
        throw BROKEN_QUEUE;
      at += length;
    }
    return bytes;
  }

  save(): { readonly [name: string]: Plain } {
    const { size, isReady, descriptors, available, used, taken, returned } = this;
    return { size, isReady, descriptors, available, used, taken, returned };
  }

  restore(state: PlainReader): void {
    this.size = state.number('size');
    this.isReady = state.flag('isReady');
    this.descriptors = state.number('descriptors');
    this.available = state.number('available');
    this.used = state.number('used');
    this.taken = state.number('taken');
    this.returned = state.number('returned');
  }

  private scatter(pieces: readonly Piece[], answer: Uint8Array, skip: number): number {
    let at = 0;
    let toSkip = skip;
    for (const { address, length } of pieces) {
      const skipped = Math.min(toSkip, length);
      toSkip -= skipped;
      const part = answer.subarray(at, at + length - skipped);
      this.memory.copyIn(address + skipped, part);
      at += part.length;
    }
    return at;
  }

  private need(address: number, length: number): void {
    if (!this.memory.holds(address, length)) throw BROKEN_QUEUE;
    this.memory.needOwn(address, length);
  }

  private half(address: number): number {
    return this.memory.view.getUint16(this.offset(address, 2), true);
  }

  private word(address: number): number {
    return this.memory.view.getUint32(this.offset(address, 4), true);
  }

  /** Where a number of a queue is. Queues lie at multiples of what they consist of: others lie. */
  private offset(address: number, length: number): number {
    if (!this.memory.holds(address, length) || address % length !== 0) throw BROKEN_QUEUE;
    return this.memory.readable(address);
  }

  /** Writes 2 or 4 bytes. */
  private put(address: number, value: number, length: number): void {
    if (!this.memory.holds(address, length) || address % length !== 0) throw BROKEN_QUEUE;
    const at = this.memory.writable(address, length);
    if (length === 2) this.memory.view.setUint16(at, value, true);
    else this.memory.view.setUint32(at, value, true);
  }
}
