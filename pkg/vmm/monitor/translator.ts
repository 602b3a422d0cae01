/**
 * Code that is made of a guest's kernel: blocks in a cache in the monitor's memory, made when the guest first comes to them and connected to each other
 * (chained) where the next is known. Invariant: each block is what the guest's bytes say, as pages with such bytes are write-protected, and entries of tables that led to
 * them are known; a change of either forgets all code. A store that keeps hitting traced pages is made anew as one that costs no fault
 * (`logged-stores.ts`).
 */

import { jump } from '../isa/compressed.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { pageFaults } from './access.ts';
import type { Deprivileged } from './deprivileged.ts';
import type { Code, Stopped, TableStore } from './guest-code.ts';
import { LoggedStores, STATE_AT } from './logged-stores.ts';
import { page, type Site, TABLE_ENTRIES, translateBlock } from './translate-block.ts';

/** Jumps reach so far. */
const CACHE_BYTES = 1 << 20;
const BLOCK_BYTES_MAX = 4096;
/** Where the cache is for the hart, in every view of the kernel. */
const CACHE_AT = 0xffff_ffff_fe00_0000n;
/** Faults of one store before code is made for it that needs none. */
const TRACED_OFTEN = 8;
/** No instruction has an odd address. */
const NOWHERE = 1n;
const STATE_MIDDLE = 2048;

/** Translated code of one guest. */
export class Translator implements Code {
  private readonly guest: Deprivileged;
  private readonly state: number;
  private readonly cache: number;
  private top = 0;
  private readonly sites: (Site | undefined)[] = [];
  private readonly blocks = new Map<bigint, number>();
  /** Words that wait for a block of a guest's address. */
  private readonly waiting = new Map<bigint, number[]>();
  private readonly watched = new Set<number>();
  private readonly entries = new Set<number>();
  private readonly tracedStores = new Map<bigint, number>();
  private readonly logged: LoggedStores;
  private satp = 0n;

  /** `state` is the page whose second half begins with the guest's registers. */
  constructor(guest: Deprivileged, state: number) {
    this.guest = guest;
    this.state = state;
    this.cache = guest.parts.machine.takePages(CACHE_BYTES / PAGE_SIZE);
    const { machine, ram, tally } = guest.parts;
    this.logged = new LoggedStores({
      ...{ machine, state, translations: guest.translations, physical: (at) => ram.physical(at) },
      onEntry: (entry) => {
        tally.logged(entry);
        guest.translations.forgetEntry(entry);
        this.forgetFetched(entry);
      },
    });
    guest.translations.onView = (view) => {
      if (!view.includes('/kernel')) return;
      this.logged.forgetAliases();
      const isOpen = { read: true, write: true, execute: false };
      guest.translations.mapOwn(view, STATE_AT, { physical: state, pages: 1, rights: isOpen });
      const isCode = { read: true, write: false, execute: true };
      const pages = CACHE_BYTES / PAGE_SIZE;
      guest.translations.mapOwn(view, CACHE_AT, { physical: this.cache, pages, rights: isCode });
    };
    this.clearTable();
  }

  enter(pc: bigint): bigint | undefined {
    const at = this.blocks.get(pc) ?? this.translate(pc);
    // Nothing can be fetched there: the hart finds the same.
    if (at === undefined) return this.reserves(pc) ? undefined : pc;
    const entry =
      this.state + STATE_MIDDLE + (page.table - page.registers) + Number(pc & BigInt((TABLE_ENTRIES - 1) << 4));
    this.guest.parts.machine.write64(entry, pc);
    this.guest.parts.machine.write64(entry + 8, CACHE_AT + BigInt(at));
    return CACHE_AT + BigInt(at + 4);
  }

  stopped(at: bigint, cause: number): Stopped {
    const offset = at - CACHE_AT;
    const site = offset >= 0n && offset < BigInt(CACHE_BYTES) ? this.sites[Number(offset / 4n)] : undefined;
    this.logged.take();
    // What is in the cache can be fetched: it is the guest that went there.
    if (site === undefined || cause === pageFaults.execute) return { pc: at };
    if (cause !== 3 || site.request === undefined) return { pc: site.pc };
    if (site.request !== 'target') return { pc: site.pc, request: site.request, instruction: site.instruction };
    const target = this.state + STATE_MIDDLE + (page.target - page.registers);
    return { pc: this.guest.parts.machine.read64(target), request: 'code' };
  }

  watches(address: number): boolean {
    return this.watched.has(address);
  }

  written(): void {
    this.forget();
  }

  moved(satp: bigint): void {
    this.logged.forget();
    if (satp !== this.satp) this.forget();
    this.satp = satp;
  }

  remapped(entry: number | undefined): void {
    this.logged.forget();
    this.forgetFetched(entry);
  }

  private forgetFetched(entry: number | undefined): void {
    if (entry === undefined || this.entries.has(entry)) this.forget();
  }

  reserves(virtual: bigint): boolean {
    return virtual >= CACHE_AT;
  }

  traced(pc: bigint): void {
    const times = (this.tracedStores.get(pc) ?? 0) + 1;
    this.tracedStores.set(pc, times);
    // The blocks that it is in are made anew, and with them all others.
    if (times === TRACED_OFTEN) this.forget();
  }

  storedToTable(store: TableStore): void {
    if (!this.watched.has(store.table)) this.logged.learn(store, this.guest.viewName);
  }

  private translate(pc: bigint): number | undefined {
    if (this.top + BLOCK_BYTES_MAX > CACHE_BYTES) this.forget();
    const block = translateBlock(
      {
        fetch: (at) => this.guest.fetch(at),
        storeAt: (at) =>
          (this.tracedStores.get(at) ?? 0) < TRACED_OFTEN ? 'plain' : (this.logged.slotOf(at) ?? 'call'),
      },
      pc,
    );
    if (block === undefined) return undefined;
    const { machine, tally } = this.guest.parts;
    const start = this.top;
    for (const [index, word] of block.words.entries()) {
      machine.write32(this.cache + start + index * 4, word);
      this.sites[start / 4 + index] = block.sites[index] ?? { pc };
    }
    // Literals are 8 bytes.
    this.top = Math.ceil((start + block.words.length * 4) / 8) * 8;
    this.blocks.set(pc, start);
    tally.translated(pc);
    for (const place of block.places) this.watch(place);
    for (const { index, pc: target } of block.exits) this.connect(start + index * 4, target);
    for (const from of this.waiting.get(pc) ?? []) this.connect(from, pc);
    this.waiting.delete(pc);
    return start;
  }

  private connect(from: number, target: bigint): void {
    const { machine, tally } = this.guest.parts;
    const known = this.blocks.get(target);
    if (known !== undefined) {
      machine.write32(this.cache + from, jump(known + 4 - from));
      tally.chained(target);
      return;
    }
    const others = this.waiting.get(target);
    if (others === undefined) this.waiting.set(target, [from]);
    else others.push(from);
  }

  /** Has stores to the page with a place in the code told. */
  private watch(pc: bigint): void {
    const found = this.guest.codePlace(pc);
    if (found === undefined) return;
    this.entries.add(found.entry);
    const address = found.address - ((found.address - MEMORY_BASE) % PAGE_SIZE);
    if (this.watched.has(address)) return;
    this.watched.add(address);
    this.logged.forget();
    this.guest.translations.forgetFrame(address);
  }

  private forget(): void {
    if (this.top === 0) return;
    this.top = 0;
    this.sites.length = 0;
    this.blocks.clear();
    this.waiting.clear();
    this.watched.clear();
    this.entries.clear();
    this.clearTable();
    this.guest.parts.tally.flushed();
  }

  private clearTable(): void {
    const table = this.state + STATE_MIDDLE + (page.table - page.registers);
    for (let index = 0; index < TABLE_ENTRIES; index++) this.guest.parts.machine.write64(table + index * 16, NOWHERE);
  }
}
