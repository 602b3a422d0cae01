/**
 * Translations by a buffer of the hart that the monitor fills: no tables are kept beside the guest's, so the guest writes these without an exit, and each page that is not in the buffer costs
 * one, in which the monitor follows the guest's tables as the hart would. What the guest changed holds after its fence, as on the hart without a monitor.
 */
import { SoftwareBuffer } from '../hart/software-buffer.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { bit, type Rights } from './guest-tables.ts';
import type { PhysicalMachine } from './physical.ts';
import type { GuestPage, OwnPages, Translations } from './translations.ts';

/** Ways to look at memory that are told apart; with more, all are forgotten. Far below what an ASID tells apart. */
const SPACES_MAX = 1024;

/** The buffer of one guest. */
export class FilledBuffer implements Translations {
  readonly followsTables = false;
  onView: ((view: string) => void) | undefined;
  private readonly buffer: SoftwareBuffer;
  private readonly spaces = new Map<string, number>();
  /** Entries of pages by the guest's page. */
  private readonly frames = new Map<number, number>();

  constructor({ hart }: PhysicalMachine) {
    this.buffer = new SoftwareBuffer(() => hart.mmu.flush());
    hart.mmu.software = this.buffer;
  }

  satp(view: string): bigint {
    return (8n << 60n) | (BigInt(this.space(view)) << 44n);
  }

  map(view: string, virtual: bigint, { frame, physical, rights }: GuestPage): void {
    const first = physical - (physical % PAGE_SIZE);
    if (frame >= 0) this.frames.set(frame, first);
    this.buffer.put({ space: this.space(view), page: pageOf(virtual), physical: first, rights: bitsOf(rights) });
  }

  mapOwn(view: string, virtual: bigint, { physical, pages, rights }: OwnPages): void {
    this.buffer.wire({ space: this.space(view), page: pageOf(virtual), pages, physical, rights: bitsOf(rights) });
  }

  /** Nothing is kept of single entries: the guest's fence has all forgotten. */
  forgetEntry(): void {}

  forgetFrame(frame: number): void {
    const physical = this.frames.get(frame);
    if (physical === undefined) return;
    this.frames.delete(frame);
    this.buffer.remove((entry) => entry.physical === physical);
  }

  forgetAll(): void {
    this.spaces.clear();
    this.frames.clear();
    this.buffer.clear();
  }

  private space(view: string): number {
    const known = this.spaces.get(view);
    if (known !== undefined) return known;
    if (this.spaces.size >= SPACES_MAX) this.forgetAll();
    const space = this.spaces.size + 1;
    this.spaces.set(view, space);
    this.onView?.(view);
    return space;
  }
}

function pageOf(virtual: bigint): number {
  return Number((virtual >> 12n) & 0x7ff_ffffn);
}

function bitsOf({ read, write, execute }: Rights): number {
  return (read ? bit.R : 0) | (write ? bit.W : 0) | (execute ? bit.X : 0);
}
