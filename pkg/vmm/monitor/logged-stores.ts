/**
 * Stores to page tables that translated code does itself, in place of asking for each (adaptive translation: Adams and Agesen 2006, section 4). A place in the guest's code that keeps storing to
 * tables has a slot, which says in which half of a page its last store was and where the monitor shows that page writable (an alias, in the addresses that are its own); a store to the same half goes there,
 * and its address into a log. Laws:
 * 1. The log is taken at each exit of the kernel, so before the monitor looks at or changes what it knows of tables, and at each fence, which is an exit. Up to then the hart may use what an entry said before,
 *    as a translation buffer does.
 * 2. A slot holds no longer than what it was learned from: the guest's entry that led to the page, how the guest looks at its memory, and that the page is a table of the lowest level without code that was translated.
 * 3. Slots and log are where the guest's kernel can write (see the contract): nothing that is read from them is believed to be more than the address of one of the aliases.
 */
import { PAGE_SIZE } from '../memory-map.ts';
import type { TableStore } from './guest-code.ts';
import type { PhysicalMachine } from './physical.ts';
import { LOG_ENTRIES, page, SLOTS } from './translate-block.ts';
import type { Translations } from './translations.ts';

/** Where the page of registers, slots and the log is for the hart: the last of all. */
export const STATE_AT = 0xffff_ffff_ffff_f000n;
const ALIASES_AT = 0xffff_ffff_ff00_0000n;
/** Tables that are shown at once; for one more, all are given up. */
const ALIASES_MAX = 128;
/** x0 is the end of that page and the beginning of the first. */
const STATE_BYTES = 4096;
/** Halves of pages have no such address. */
const NOWHERE = 8n;
/** Bits of an address that say where in half a page it is. */
const HALF = 0x7ffn;
const ALL = 0xffff_ffff_ffff_ffffn;

/** What the stores of one guest's code are logged by. */
export interface LogParts {
  readonly machine: PhysicalMachine;
  readonly translations: Translations;
  /** The machine's address of the page. */
  readonly state: number;
  /** The machine's address of a guest's page. */
  readonly physical: (page: number) => number;
  /** Told of each entry that was stored to; of whole words, and perhaps of one more than once. */
  readonly onEntry: (entry: number) => void;
}

/** Where a table is shown, and in which views it is there. */
interface Alias {
  readonly index: number;
  readonly views: Set<string>;
}

/** The slots, the aliases and the log. */
export class LoggedStores {
  private readonly parts: LogParts;
  /** Slots by places in the guest's code. */
  private readonly slots = new Map<bigint, number>();
  private aliases = new Map<number, Alias>();
  private pages: number[] = [];
  /** Entries by which the pages in slots were found. */
  private readonly entries = new Set<number>();

  constructor(parts: LogParts) {
    this.parts = parts;
    this.forget();
    this.begin();
  }

  /** The slot of a place in the code; undefined where all are taken. */
  slotOf(pc: bigint): number | undefined {
    const known = this.slots.get(pc);
    if (known !== undefined || this.slots.size >= SLOTS) return known;
    const slot = this.slots.size;
    this.slots.set(pc, slot);
    return slot;
  }

  /** Has the code do the next stores like this one. */
  learn({ pc, virtual, table, entry }: TableStore, view: string): void {
    const slot = this.slots.get(pc);
    if (slot === undefined) return;
    // Where the view is new, all aliases are gone.
    this.parts.translations.satp(view);
    const alias = this.aliasOf(table, view) + (virtual & 0xfffn);
    this.entries.add(entry);
    this.write(page.slots + slot * 16, virtual & ~HALF);
    this.write(page.slots + slot * 16 + 8, (alias - virtual) & ALL);
  }

  /** Takes what is in the log. */
  take(): void {
    const { machine, state, onEntry } = this.parts;
    const next = machine.read32(state + STATE_BYTES + page.logNext) - Number(BigInt.asIntN(32, STATE_AT));
    if (next === 0) return;
    const count = next % 8 === 0 && next > 0 && next <= LOG_ENTRIES * 8 ? next / 8 : LOG_ENTRIES;
    this.begin();
    for (let index = 0; index < count; index++) {
      const address = machine.read32(state + index * 8) - Number(BigInt.asIntN(32, ALIASES_AT));
      const table = this.pages[Math.floor(address / PAGE_SIZE)];
      if (table === undefined) continue;
      const entry = table + ((address % PAGE_SIZE) & ~7);
      onEntry(entry);
      if (this.entries.has(entry)) this.forget();
    }
  }

  /** Has the next store of each place asked for. */
  forget(): void {
    this.entries.clear();
    for (let slot = 0; slot < SLOTS; slot++) this.write(page.slots + slot * 16, NOWHERE);
  }

  /** A view began to be, in which no alias is. */
  forgetAliases(): void {
    this.aliases = new Map();
    this.pages = [];
    this.forget();
  }

  private aliasOf(table: number, view: string): bigint {
    const { index, views } = this.aliases.get(table) ?? this.newAlias(table);
    const alias = ALIASES_AT + BigInt(index * PAGE_SIZE);
    if (views.has(view)) return alias;
    views.add(view);
    const rights = { read: true, write: true, execute: false };
    this.parts.translations.mapOwn(view, alias, { physical: this.parts.physical(table), pages: 1, rights });
    return alias;
  }

  private newAlias(table: number): Alias {
    if (this.pages.length === ALIASES_MAX) this.forgetAliases();
    const alias = { index: this.pages.length, views: new Set<string>() };
    this.aliases.set(table, alias);
    this.pages.push(table);
    return alias;
  }

  private begin(): void {
    this.write(page.logNext, STATE_AT);
  }

  private write(offset: number, value: bigint): void {
    this.parts.machine.write64(this.parts.state + STATE_BYTES + offset, value);
  }
}
