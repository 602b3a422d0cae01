/**
 * The balloon: the host says how many pages it would have, the guest's driver says which it gives and which it takes back. What is given reads as zeros from then on, whether the guest takes it back or
 * just touches it. The driver may take pages back as it needs them (DEFLATE_ON_OOM). Source: VIRTIO 1.1, section 5.5.
 */
import type { GuestMemory } from '../../guest-memory.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../../memory-map.ts';
import type { Plain, PlainReader } from '../../plain-state.ts';
import type { Virtqueue } from './queue.ts';
import type { Backend } from './transport.ts';

/** VIRTIO_BALLOON_F_DEFLATE_ON_OOM. */
const FEATURES = 1 << 2;
/** Bytes of one request that are taken: 4,096 pages. */
const REQUEST_MAX = 16_384;
const WANTED = 0;
const GIVEN = 4;

/** A balloon over a memory. */
export class VirtioBalloon implements Backend {
  readonly kind = 5;
  readonly queues = 2;
  readonly features = FEATURES;
  readonly config = new Uint8Array(8);
  private readonly view = new DataView(this.config.buffer);
  private readonly memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  /** Pages that the host would have. */
  get wanted(): number {
    return this.view.getUint32(WANTED, true);
  }

  set wanted(pages: number) {
    this.view.setUint32(WANTED, pages, true);
  }

  /** Pages that the guest says the host has. */
  get given(): number {
    return this.view.getUint32(GIVEN, true);
  }

  storeConfig(offset: number, size: number, value: number): void {
    if (offset === GIVEN && size === 4) this.view.setUint32(GIVEN, value, true);
  }

  process([inflate, deflate]: readonly Virtqueue[]): boolean {
    let isWanted = false;
    for (let chain = inflate?.next(); inflate !== undefined && chain !== undefined; chain = inflate.next()) {
      const numbers = inflate.gather(chain.readable, REQUEST_MAX);
      if (inflate.finish(chain, new Uint8Array(0))) isWanted = true;
      inflate.take();
      this.memory.clearPages(this.pagesOf(numbers));
    }
    for (let chain = deflate?.next(); deflate !== undefined && chain !== undefined; chain = deflate.next()) {
      if (deflate.finish(chain, new Uint8Array(0))) isWanted = true;
      deflate.take();
    }
    return isWanted;
  }

  reset(): void {
    this.view.setUint32(GIVEN, 0, true);
  }

  save(): { readonly [name: string]: Plain } {
    return { wanted: this.wanted, given: this.given };
  }

  restore(state: PlainReader): void {
    this.wanted = state.number('wanted', 0);
    this.view.setUint32(GIVEN, state.number('given', 0), true);
  }

  /** Those that are the guest's. */
  private pagesOf(bytes: Uint8Array): readonly number[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return Array.from(
      { length: bytes.length >> 2 },
      (_, index) => view.getUint32(index * 4, true) - MEMORY_BASE / PAGE_SIZE,
    ).filter((page) => page >= 0 && page < this.memory.pages);
  }
}
