/**
 * What the hart finds a deprivileged guest's memory by, in place of the guest's own page tables: shadow tables (`shadow.ts`), or a translation buffer that the monitor fills
 * (`filled-buffer.ts`). Laws, which `translations-conformance.ts` holds both to:
 * 1. The hart reaches in a view what was mapped there, by the rights that were given, until it is forgotten, or until the implementation gives it up by itself; then it traps.
 * 2. What was mapped again is reached as it was mapped last.
 * 3. After `forgetFrame` no view has what was mapped with that frame; after `forgetAll` none has anything that a guest's page was mapped by.
 * 4. What is the monitor's own (`mapOwn`, called from `onView`) is there whenever the view is.
 */
import type { Rights } from './guest-tables.ts';

/** A page for the hart. */
export interface GuestPage {
  /** The guest's entry that it comes from; -1 where it comes from none. */
  readonly entry: number;
  /** The guest's page, or -1. */
  readonly frame: number;
  readonly physical: number;
  readonly rights: Rights;
}

/** Pages of the monitor's own that lie together. */
export interface OwnPages {
  readonly physical: number;
  readonly pages: number;
  readonly rights: Rights;
}

/** The translations of one guest. */
export interface Translations {
  /** Whether each change of the guest's tables must be told by `forgetEntry`, so that the pages of these are write-protected; else it is enough to forget all at the guest's fences. */
  readonly followsTables: boolean;
  /** Called when a view begins to be, and anew after all was forgotten, for what the monitor itself has there. */
  onView: ((view: string) => void) | undefined;
  /** What satp is to be for the hart to look at memory in this way. */
  satp(view: string): bigint;
  /** Lets the hart reach a page. What satp is for the view may be another one then. */
  map(view: string, virtual: bigint, page: GuestPage): void;
  mapOwn(view: string, virtual: bigint, own: OwnPages): void;
  /** After a guest's entry changed. */
  forgetEntry(entry: number): void;
  /** Has the next store to a page of the guest, or the next fetch too, come to the monitor. */
  forgetFrame(frame: number): void;
  forgetAll(): void;
}
