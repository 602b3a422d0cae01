/**
 * The objects of one informer, with indices. Objects are kept as they came, never copied.
 *
 * Invariant: after `set` and `delete` return, every index holds exactly the keys whose object the index function names.
 */
import { type KubeObject, objectKey } from '#pkg/apimachinery/object.ts';
import type { IndexFunction, Lister } from './informer.ts';

interface Index<T extends KubeObject> {
  readonly values: IndexFunction<T>;
  readonly entries: Map<string, Map<string, T>>;
}

/** Name of the index by namespace, which is made when `list(namespace)` is first called. */
const namespaceIndex = 'coxswain/namespace';

/** The copy of one collection, by `namespace/name`. */
export class CacheStore<T extends KubeObject> implements Lister<T> {
  readonly #objects = new Map<string, T>();
  readonly #indices = new Map<string, Index<T>>();
  /** What `list()` returned last, while it is still true. */
  #all: readonly T[] | undefined;

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(namespace?: string): readonly T[] {
    if (namespace === undefined) {
      this.#all ??= [...this.#objects.values()];
      return this.#all;
    }
    this.addIndex(namespaceIndex, byNamespace);
    return this.byIndex(namespaceIndex, namespace);
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indices.get(name);
    if (index === undefined) throw new Error(`Cannot look up by index ${name} as it was not added`);
    const found = index.entries.get(value);
    return found === undefined ? [] : [...found.values()];
  }

  addIndex(name: string, values: IndexFunction<T>): void {
    if (this.#indices.has(name)) return;
    const index: Index<T> = { values, entries: new Map() };
    this.#indices.set(name, index);
    for (const [key, object] of this.#objects) insert(index, key, object);
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Keeps `object`, whose key is given by who has it at hand, in place of what was there, which it returns. */
  set(object: T, key: string = objectKey(object)): T | undefined {
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#all = undefined;
    for (const index of this.#indices.values()) {
      if (previous !== undefined) remove(index, key, previous);
      insert(index, key, object);
    }
    return previous;
  }

  /** Removes and returns what is under `key`. */
  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    this.#objects.delete(key);
    this.#all = undefined;
    for (const index of this.#indices.values()) remove(index, key, previous);
    return previous;
  }
}

function byNamespace(object: KubeObject): readonly string[] {
  return [object.metadata?.namespace ?? ''];
}

function insert<T extends KubeObject>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const entry = index.entries.get(value);
    if (entry === undefined) index.entries.set(value, new Map([[key, object]]));
    else entry.set(key, object);
  }
}

function remove<T extends KubeObject>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const entry = index.entries.get(value);
    if (entry === undefined) continue;
    entry.delete(key);
    if (entry.size === 0) index.entries.delete(value);
  }
}
