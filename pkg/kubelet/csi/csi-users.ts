/** Which pods use which volumes of drivers, and which wait for what. */

/** Pods by what they are noted for. */
export class CsiUsers {
  readonly #byName = new Map<string, Set<string>>();

  /** What pods are noted for, in the order of the names. */
  get names(): readonly string[] {
    return [...this.#byName.keys()].sort();
  }

  add(name: string, podUid: string): void {
    const users = this.#byName.get(name) ?? new Set();
    this.#byName.set(name, users.add(podUid));
  }

  remove(name: string, podUid: string): void {
    const users = this.#byName.get(name);
    users?.delete(podUid);
    if (users?.size === 0) this.#byName.delete(name);
  }

  /** The pod is noted for nothing. */
  forget(podUid: string): void {
    for (const name of this.names) this.remove(name, podUid);
  }

  /** Those that are noted for it; from then on none is. */
  take(name: string): readonly string[] {
    const users = this.#byName.get(name);
    this.#byName.delete(name);
    return [...(users ?? [])];
  }
}
