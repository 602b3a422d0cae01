/**
 * The elements of one nftables table's sets and maps as several owners want them, and what the kernel has to be told when an owner wants others.
 * Pure. An element that several want alike is there once, until the last of them lets go; of owners that want different values for one key the
 * first keeps it. Invariant: what `change` gives, done as one transaction, makes the kernel's table the same as this one.
 */

/** One element of a set, or of a map where it has a value, as nftables writes it. */
export interface NftElement {
  readonly set: string;
  readonly key: string;
  /** Of maps: `10.1.0.2 . 8080`, `goto pick-2`. */
  readonly value?: string;
}

/** Whose elements are to be which. */
export interface OwnedElements {
  readonly owner: string;
  /** All that the owner wants; none lets go of all. */
  readonly elements: readonly NftElement[];
}

/** What comes of a change. */
export interface ElementChange {
  /** Elements to remove, then to add. */
  readonly commands: readonly string[];
  /** Elements that another owner has with another value. */
  readonly conflicts: readonly { readonly owner: string; readonly element: NftElement }[];
}

interface Held {
  readonly element: NftElement;
  readonly owners: Set<string>;
}

/** The state of one table's elements. */
export class ElementTable {
  readonly #table: string;
  readonly #held = new Map<string, Held>();
  readonly #byOwner = new Map<string, ReadonlyMap<string, NftElement>>();

  /** `table` is `inet coxswain`: family and name. */
  constructor(options: { readonly table: string }) {
    this.#table = options.table;
  }

  /** What the owner has. */
  elementsOf(owner: string): readonly NftElement[] {
    return [...(this.#byOwner.get(owner)?.values() ?? [])];
  }

  /** Makes the owners have what they want. */
  change(wanted: readonly OwnedElements[]): ElementChange {
    const before = new Map<string, NftElement | undefined>();
    const conflicts: { owner: string; element: NftElement }[] = [];
    const news = wanted.map(({ owner, elements }) => ({
      owner,
      now: new Map(elements.map((element) => [idOf(element), element])),
    }));
    // All is let go of before anything is taken: what one owner gives up another may want in the same change.
    for (const { owner, now } of news) this.#release(owner, now, before);
    for (const { owner, now } of news) conflicts.push(...this.#take(owner, now, before));
    return { commands: this.#commands(before), conflicts };
  }

  #release(owner: string, now: ReadonlyMap<string, NftElement>, before: Map<string, NftElement | undefined>): void {
    const kept = new Map<string, NftElement>();
    for (const [id, element] of this.#byOwner.get(owner) ?? []) {
      if (now.get(id)?.value === element.value && now.has(id)) {
        kept.set(id, element);
        continue;
      }
      const held = this.#held.get(id);
      held?.owners.delete(owner);
      if (held === undefined || held.owners.size > 0) continue;
      if (!before.has(id)) before.set(id, held.element);
      this.#held.delete(id);
    }
    this.#byOwner.set(owner, kept);
  }

  #take(
    owner: string,
    now: ReadonlyMap<string, NftElement>,
    before: Map<string, NftElement | undefined>,
  ): { owner: string; element: NftElement }[] {
    const conflicts: { owner: string; element: NftElement }[] = [];
    const mine = new Map<string, NftElement>();
    for (const [id, element] of now) {
      const held = this.#held.get(id);
      if (held !== undefined && held.element.value !== element.value) {
        conflicts.push({ owner, element });
        continue;
      }
      mine.set(id, element);
      if (held !== undefined) {
        held.owners.add(owner);
        continue;
      }
      if (!before.has(id)) before.set(id, undefined);
      this.#held.set(id, { element, owners: new Set([owner]) });
    }
    if (mine.size === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, mine);
    return conflicts;
  }

  /** From what the kernel had of each element that was touched to what it is to have. */
  #commands(before: ReadonlyMap<string, NftElement | undefined>): readonly string[] {
    const removed = new Map<string, string[]>();
    const added = new Map<string, string[]>();
    for (const [id, old] of before) {
      const now = this.#held.get(id)?.element;
      if (old !== undefined && old.value === now?.value && now !== undefined) continue;
      if (old !== undefined) push(removed, old.set, old.key);
      if (now !== undefined) push(added, now.set, now.value === undefined ? now.key : `${now.key} : ${now.value}`);
    }
    const lines = (verb: string, bySet: ReadonlyMap<string, readonly string[]>): readonly string[] =>
      [...bySet].map(([set, keys]) => `${verb} element ${this.#table} ${set} { ${keys.join(', ')} }`);
    return [...lines('delete', removed), ...lines('add', added)];
  }
}

function push(lists: Map<string, string[]>, set: string, key: string): void {
  const list = lists.get(set);
  if (list === undefined) lists.set(set, [key]);
  else list.push(key);
}

function idOf({ set, key }: NftElement): string {
  return `${set} ${key}`;
}
